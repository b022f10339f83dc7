package ui

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Sizes of the plot. Its height is in pixels, and style.css has them too; its width is in
// units of its own, which the page stretches to what room there is.
const (
	plotWidth  = 960.0
	plotHeight = 192.0
	plotTop    = 8.0
	plotBase   = plotHeight - 36
	plotGap    = 0.1 // of a column is between two
	plotLabel  = 8.0 // percent of the width that a mark takes at least
)

// plot is the queries of a range: a column for each part of it, of all and of blocked
// queries.
type plot struct {
	Width, Height, Base float64
	Columns             []column
	Lines               []line // of the scale
	Marks               []mark // of the time
	Empty               bool
}

// column is one part of the range.
type column struct {
	X, Width, Y, BlockedY float64
	When                  string
	Queries, Blocked      uint64
}

// Bar is a bar of the column that ends at y, as a part of a path.
func (c column) Bar(y float64) string {
	width := coordinate(c.Width)
	return fmt.Sprintf("M%s %sh%sV%gh-%sz", coordinate(c.X), coordinate(y), width, plotBase, width)
}

type line struct {
	Y     float64
	Label string
}

type mark struct {
	Percent float64 // of the width
	Label   string
}

// figure is a plot with what is said about it.
type figure struct {
	plot
	Label           string // for those who cannot see it
	What, Part, Key string // what is counted, the part that stands out, and that in the legend
	Nothing         string // said where there is nothing
}

func newPlot(columns []Column, s span, zone *time.Location) plot {
	p := plot{Width: plotWidth, Height: plotHeight, Base: plotBase, Empty: true}
	if len(columns) == 0 {
		return p
	}
	most := slices.MaxFunc(columns, func(a, b Column) int { return cmp.Compare(a.Queries, b.Queries) }).Queries
	p.Empty = most == 0
	top := roundUp(most)
	room := p.Base - plotTop
	width := p.Width / float64(len(columns))
	for i, from := range columns {
		c := column{X: (float64(i) + plotGap/2) * width, Width: width * (1 - plotGap), Queries: from.Queries, Blocked: from.Blocked, When: s.when(from, zone)}
		c.Y = p.Base - room*float64(from.Queries)/float64(top)
		c.BlockedY = p.Base - room*float64(from.Blocked)/float64(top)
		p.Columns = append(p.Columns, c)
		if label, at := s.mark(from, i, zone), 100*c.X/p.Width; label != "" && at < 100-plotLabel {
			p.Marks = append(p.Marks, mark{at, label})
		}
	}
	for _, part := range []float64{0.5, 1} {
		p.Lines = append(p.Lines, line{p.Base - room*part, short(float64(top) * part)})
	}
	return p
}

// when is the time of a column.
func (s span) when(c Column, zone *time.Location) string {
	from, until := c.From.In(zone), c.Until.In(zone)
	switch s.Range {
	case Month:
		return from.Format("Mon 2 Jan")
	case Week:
		return from.Format("Mon 2 Jan, 15:04") + " to " + until.Format("15:04")
	}
	return from.Format("15:04") + " to " + until.Format("15:04")
}

// mark is what stands below a column on the axis of time, if anything.
func (s span) mark(c Column, i int, zone *time.Location) string {
	from := c.From.In(zone)
	switch {
	case s.Range == Month && i%5 == 0:
		return from.Format("2 Jan")
	case s.Range == Week && from.Hour() == 0:
		return from.Format("Mon 2")
	case s.Range == Day && i > 0 && from.Hour()%4 == 0 && from.Minute() == 0:
		return from.Format("15:04")
	}
	return ""
}

// roundUp is the next number that is even to read: 1, 2 or 5 times a power of ten.
func roundUp(n uint64) uint64 {
	for power := uint64(1); ; power *= 10 {
		for _, step := range []uint64{1, 2, 5} {
			if step*power >= n && step*power >= 10 {
				return step * power
			}
		}
	}
}

// short writes thousands as k.
func short(f float64) string {
	if f >= 1000 {
		return fmt.Sprintf("%gk", f/1000)
	}
	return fmt.Sprintf("%g", f)
}

// coordinate writes one as short as anybody can see it.
func coordinate(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }
