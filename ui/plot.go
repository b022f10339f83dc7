package ui

import (
	"fmt"
	"time"
)

// Sizes of the plot, in units of its own; the page scales it.
const (
	plotWidth  = 960.0
	plotHeight = 192.0
	plotLeft   = 44.0
	plotTop    = 8.0
	plotBottom = 36.0
	plotColumn = 15 // minutes
)

// plot is the queries of the last 24 hours: a column for every quarter of an
// hour, of all and of blocked queries.
type plot struct {
	Width, Height, Left, Right, Base float64
	Columns                          []column
	Lines                            []line // of the scale
	Hours                            []mark
	Empty                            bool
}

// column is one quarter of an hour.
type column struct {
	X, Width, Y, Height, BlockedY, BlockedHeight float64
	Label                                        string
}

type line struct {
	Y     float64
	Label string
}

type mark struct {
	X     float64
	Label string
}

func newPlot(minutes []Minute, zone *time.Location) plot {
	p := plot{Width: plotWidth, Height: plotHeight, Left: plotLeft, Right: plotWidth - 4, Base: plotHeight - plotBottom, Empty: true}
	type sum struct {
		from             time.Time
		queries, blocked uint64
	}
	var sums []sum
	most := uint64(0)
	for _, m := range minutes {
		from := m.Time.Add(-time.Duration(m.Time.In(zone).Minute()%plotColumn) * time.Minute)
		if len(sums) == 0 || !sums[len(sums)-1].from.Equal(from) {
			sums = append(sums, sum{from: from})
		}
		s := &sums[len(sums)-1]
		s.queries += m.Queries
		s.blocked += m.Blocked
		most = max(most, s.queries)
	}
	if len(sums) == 0 {
		return p
	}
	p.Empty = most == 0
	top := roundUp(most)
	room := p.Base - plotTop
	width := (p.Right - p.Left) / float64(len(sums))
	for i, s := range sums {
		c := column{X: p.Left + float64(i)*width + 0.5, Width: width - 1}
		c.Height = room * float64(s.queries) / float64(top)
		c.Y = p.Base - c.Height
		c.BlockedHeight = room * float64(s.blocked) / float64(top)
		c.BlockedY = p.Base - c.BlockedHeight
		from := s.from.In(zone)
		c.Label = fmt.Sprintf("%s to %s: %s queries, %s blocked", from.Format("15:04"), from.Add(plotColumn*time.Minute).Format("15:04"),
			number(s.queries), number(s.blocked))
		p.Columns = append(p.Columns, c)
		if h := from.Hour(); h%4 == 0 && from.Minute() < plotColumn && i > 0 && i < len(sums)-3 {
			p.Hours = append(p.Hours, mark{c.X, from.Format("15:04")})
		}
	}
	for _, part := range []float64{0.5, 1} {
		p.Lines = append(p.Lines, line{p.Base - room*part, short(float64(top) * part)})
	}
	return p
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
