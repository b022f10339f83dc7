//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// results are the raw values of every row and server.
type results struct {
	servers []string
	rows    []*row
	notes   []string // for people: what is absent, lost or wrong
	bad     bool     // something was wrong or failed
}

// row is one line of the table.
type row struct {
	Name   string               `json:"row"`
	Unit   string               `json:"unit"`
	Values map[string][]float64 `json:"values"` // by server, one a round
}

// add notes a value. The unit belongs to the row. What is not a number, such as
// the latency of no answer at all, is left out: JSON has no word for it.
func (r *results) add(name, unit, server string, value float64) {
	if math.IsNaN(value) {
		return
	}
	at := slices.IndexFunc(r.rows, func(o *row) bool { return o.Name == name })
	if at < 0 {
		at = len(r.rows)
		r.rows = append(r.rows, &row{Name: name, Unit: unit, Values: map[string][]float64{}})
	}
	values := r.rows[at].Values
	values[server] = append(values[server], value)
}

// note tells of something once.
func (r *results) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.notes, text) {
		r.notes = append(r.notes, text)
	}
}

// check notes what is lost or wrong in a row. What failed counts as wrong, but
// where the upstream was away on purpose.
func (r *results) check(row, server string, t tally, mayFail bool) {
	if t.lost > 0 {
		r.note("%s, %s: %d of %d lost", row, server, t.lost, t.asked)
	}
	if n := t.wrong; n > 0 || t.failed > 0 && !mayFail {
		r.bad = true
		r.note("**WRONG ANSWERS**: %s, %s: %d wrong and %d failed of %d; %s", row, server, n, t.failed, t.asked, t.example)
	}
}

// middle is the median of values, which it sorts.
func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}

// percentile is the smallest value that so many in a hundred do not exceed; it
// sorts the values.
func percentile(values []float64, percent float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	rank := int(math.Ceil(percent / 100 * float64(len(values))))
	return values[max(rank, 1)-1]
}

// figure writes three digits that matter, and thousands apart.
func figure(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case size >= 999.5:
		digits := strconv.FormatFloat(v, 'f', 0, 64)
		for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
			digits = digits[:at] + "," + digits[at:]
		}
		return digits
	case size >= 100 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case size >= 0.1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}

// cell is the median, with minimum and maximum where rounds differ.
func cell(values []float64) string {
	values = slices.Clone(values)
	text := figure(middle(values))
	if n := len(values); n > 0 && values[0] != values[n-1] {
		text += " (" + figure(values[0]) + "–" + figure(values[n-1]) + ")"
	}
	return text
}

// markdown is the table. A server that has no value at all has no column.
func (r *results) markdown() string {
	var columns []string
	for _, s := range r.servers {
		if slices.ContainsFunc(r.rows, func(o *row) bool { return len(o.Values[s]) > 0 }) {
			columns = append(columns, s)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---:|", len(columns)))
	for _, o := range r.rows {
		fmt.Fprintf(&b, "| %s, %s |", o.Name, o.Unit)
		for _, s := range columns {
			text := "-"
			if v := o.Values[s]; len(v) > 0 {
				text = cell(v)
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
