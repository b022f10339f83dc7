//go:build linux

package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// plot is a drawing of panels, one beside the other. The x axes are logarithmic;
// the y axes are processor time from zero, so that heights can be compared.
type plot struct{ panels []*panel }

type panel struct {
	title, unit string
	series      []*series
}

// series is a line. Each server has its colour; a second line of it is dashed.
type series struct {
	server, what string
	points       map[float64][]float64 // y values by x
}

// panel begins another panel, whose x axis is in unit.
func (p *plot) panel(title, unit string) *panel {
	n := &panel{title: title, unit: unit}
	p.panels = append(p.panels, n)
	return n
}

func (p *panel) add(server, what string, x, y float64) {
	at := slices.IndexFunc(p.series, func(s *series) bool { return s.server == server && s.what == what })
	if at < 0 {
		at = len(p.series)
		p.series = append(p.series, &series{server, what, map[float64][]float64{}})
	}
	points := p.series[at].points
	points[x] = append(points[x], y)
}

// Sizes in pixels.
const (
	panelWidth, panelHeight    = 560, 420
	marginLeft, marginRight    = 64, 40
	marginTop, lineHeight      = 60, 18
	plotWidth, marginToLegends = panelWidth - marginLeft - marginRight, 56
)

// colours differ for eyes that do not see red or green, too.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"}

// svg draws all panels.
func (p *plot) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="#222">`+"\n",
		panelWidth*max(1, len(p.panels)), panelHeight)
	b.WriteString(`<rect width="100%" height="100%" fill="#ffffff"/>` + "\n")
	for i, n := range p.panels {
		fmt.Fprintf(&b, `<g transform="translate(%d 0)">`+"\n", i*panelWidth)
		n.draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p *panel) draw(b *strings.Builder) {
	xs, top := p.extent()
	if len(xs) == 0 {
		return
	}
	bottom := panelHeight - marginToLegends - lineHeight*((len(p.series)+1)/2)
	low, high := math.Log10(xs[0]), math.Log10(xs[len(xs)-1])
	if low == high {
		low, high = low-0.5, high+0.5
	}
	step := tidy(top / 5)
	top = step * math.Ceil(top/step)
	x := func(v float64) float64 { return marginLeft + (math.Log10(v)-low)/(high-low)*float64(plotWidth) }
	y := func(v float64) float64 { return float64(bottom) - v/top*float64(bottom-marginTop) }
	text := func(x, y float64, more, content string) {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" %s>%s</text>`+"\n", x, y, more, html.EscapeString(content))
	}
	line := func(x1, y1, x2, y2 float64, colour string) {
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, colour)
	}

	text(marginLeft, 22, `font-size="14" font-weight="bold"`, p.title)
	text(8, marginTop-12, "", "µs of processor time per answer")
	for i := range int(math.Round(top/step)) + 1 {
		v := float64(i) * step
		line(marginLeft, y(v), panelWidth-marginRight, y(v), "#ddd")
		text(marginLeft-6, y(v)+4, `text-anchor="end"`, figure(v))
	}
	for _, v := range xs {
		line(x(v), float64(bottom), x(v), float64(bottom)+5, "#222")
		text(x(v), float64(bottom)+19, `text-anchor="middle"`, figure(v))
	}
	line(marginLeft, float64(bottom), panelWidth-marginRight, float64(bottom), "#222")
	line(marginLeft, marginTop, marginLeft, float64(bottom), "#222")
	text(marginLeft+float64(plotWidth)/2, float64(bottom)+36, `text-anchor="middle"`, p.unit+" (logarithmic)")

	for i, s := range p.series {
		colour, dashes := p.style(s)
		var path []string
		for _, at := range xs {
			values := slices.Clone(s.points[at])
			if len(values) == 0 {
				continue
			}
			m := middle(values)
			line(x(at), y(values[0]), x(at), y(values[len(values)-1]), colour) // minimum to maximum
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x(at), y(m), colour)
			path = append(path, fmt.Sprintf("%.1f,%.1f", x(at), y(m)))
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`+"\n", strings.Join(path, " "), colour, dashes)
		left, under := float64(marginLeft+i%2*plotWidth/2), float64(bottom+marginToLegends+i/2*lineHeight)
		fmt.Fprintf(b, `<path d="M%.1f %.1fh26" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`+"\n", left, under-4, colour, dashes)
		text(left+32, under, "", s.server+", "+s.what)
	}
}

// style is the colour of a series' server and how its line is dashed.
func (p *panel) style(of *series) (colour, dashes string) {
	var servers, lines []string
	for _, s := range p.series {
		if !slices.Contains(servers, s.server) {
			servers = append(servers, s.server)
		}
		if s.server == of.server {
			lines = append(lines, s.what)
		}
	}
	slices.Sort(servers) // the same in every panel, whoever was measured first
	dash := slices.Index(lines, of.what) % 3
	return colours[slices.Index(servers, of.server)%len(colours)], []string{"none", "6 3", "2 2"}[dash]
}

// extent is all x values in order, and the highest y.
func (p *panel) extent() (xs []float64, top float64) {
	for _, s := range p.series {
		for x, ys := range s.points {
			if !slices.Contains(xs, x) {
				xs = append(xs, x)
			}
			top = max(top, slices.Max(ys))
		}
	}
	slices.Sort(xs)
	return xs, max(top, 1e-9)
}

// tidy is the next 1, 2 or 5 times a power of ten.
func tidy(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if v <= f*power {
			return f * power
		}
	}
	return 10 * power
}
