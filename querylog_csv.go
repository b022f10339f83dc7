package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// columns say where in a table each value stands; -1 when it does not.
type columns struct {
	separator                   rune
	name, qtype, client, status int
}

// csvColumns reads the first line of a table; a table without a column for names
// is none.
func csvColumns(header string) (columns, bool) {
	for _, separator := range ",;|\t" {
		c := columns{separator, -1, -1, -1, -1}
		names, err := c.reader(strings.NewReader(header)).Read()
		if err != nil || len(names) < 2 {
			continue
		}
		for i, name := range names {
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "domain", "name":
				c.name = i
			case "type", "qtype":
				c.qtype = i
			case "client", "ip":
				c.client = i
			case "status":
				c.status = i
			}
		}
		return c, c.name >= 0
	}
	return columns{}, false
}

func (c columns) reader(in *strings.Reader) *csv.Reader {
	r := csv.NewReader(in)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = c.separator, -1, true, true
	return r
}

// read reads a table as `sqlite3 -csv -header` writes it of Pi-hole's database,
// with its numbers for types and statuses or with words. Each line is taken by
// itself, so that a quote without an end spoils no more than its own.
func (c columns) read(ctx context.Context, in *bufio.Reader, l *queryLog) error {
	header := true
	var line strings.Reader
	return l.eachLine(ctx, in, func(text string) error {
		if header {
			header = false
			return nil
		}
		line.Reset(text)
		row, err := c.reader(&line).Read()
		if err != nil {
			return err
		}
		value := func(column int) string {
			if column < 0 || column >= len(row) {
				return ""
			}
			return strings.TrimSpace(row[column])
		}
		if value(c.name) == "" {
			return fmt.Errorf("a row of %d values, without a name", len(row))
		}
		_, err = l.add(value(c.name), piholeType(value(c.qtype)), loggedClient(value(c.client)), piholeStatus(value(c.status)))
		return err
	})
}

// piholeTypes are the types by Pi-hole's numbers from 1 on ("Query database",
// supported query types). Above 100, the number less 100 is that of the type.
var piholeTypes = [...]uint16{dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeSRV, dns.TypeSOA, dns.TypePTR, dns.TypeTXT, dns.TypeNAPTR,
	dns.TypeMX, dns.TypeDS, dns.TypeRRSIG, dns.TypeDNSKEY, dns.TypeNS, 0, dns.TypeSVCB, dns.TypeHTTPS}

// piholeType reads a type, as Pi-hole's number or as a word.
func piholeType(s string) uint16 {
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return loggedType(s)
	case n >= 1 && n <= len(piholeTypes):
		return piholeTypes[n-1]
	case n > 100 && n <= 100+0xffff:
		return uint16(n - 100)
	}
	return 0
}

// piholeState is one of piholeStatuses.
type piholeState struct {
	word    string
	outcome outcome
}

// piholeStatuses are what became of a query, by Pi-hole's numbers from 0 on
// ("Query database", supported status types) and its API's words for them.
var piholeStatuses = [...]piholeState{
	{"UNKNOWN", outcomeUnknown},
	{"GRAVITY", outcomeBlocked},
	{"FORWARDED", outcomePassed},
	{"CACHE", outcomePassed},
	{"REGEX", outcomeBlocked},
	{"DENYLIST", outcomeBlocked},
	{"EXTERNAL_BLOCKED_IP", outcomeBlocked},
	{"EXTERNAL_BLOCKED_NULL", outcomeBlocked},
	{"EXTERNAL_BLOCKED_NXRA", outcomeBlocked},
	{"GRAVITY_CNAME", outcomeBlocked},
	{"REGEX_CNAME", outcomeBlocked},
	{"DENYLIST_CNAME", outcomeBlocked},
	{"RETRIED", outcomePassed},
	{"RETRIED_DNSSEC", outcomePassed},
	{"IN_PROGRESS", outcomePassed},
	{"DBBUSY", outcomeBlocked},
	{"SPECIAL_DOMAIN", outcomeBlocked},
	{"CACHE_STALE", outcomePassed},
	{"EXTERNAL_BLOCKED_EDE15", outcomeBlocked},
}

func piholeStatus(s string) outcome {
	n, err := strconv.Atoi(s)
	if err != nil {
		n = slices.IndexFunc(piholeStatuses[:], func(status piholeState) bool { return status.word == s })
	}
	if n < 0 || n >= len(piholeStatuses) {
		return outcomeUnknown
	}
	return piholeStatuses[n].outcome
}
