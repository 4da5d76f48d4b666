package protect

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
)

// The measures of the picture, in its own units.
const (
	pictureWidth = 960
	plotLeft     = 64
	plotRight    = pictureWidth - 16
	plotTop      = 96
	plotHeight   = 110
	plotStep     = plotHeight + 52
)

// style is readable on light and on dark ground, without a script.
const style = `<style>
svg { --ink: #1f2328; --dim: #656d76; --line: #d0d7de; --band: #f6f0e4; --ours: #0969da; --theirs: #cf222e; --old: #d4a72c; --ground: #ffffff }
@media (prefers-color-scheme: dark) {
svg { --ink: #e6edf3; --dim: #8d96a0; --line: #3d444d; --band: #2a2518; --ours: #58a6ff; --theirs: #ff7b72; --old: #e3b341; --ground: #0d1117 }
}
text { font: 12px system-ui, sans-serif; fill: var(--ink) }
.dim { fill: var(--dim) } .title { font-weight: 600 } .end { text-anchor: end } .mid { text-anchor: middle }
.grid { stroke: var(--line); stroke-width: 1 } .band { fill: var(--band) } .ground { fill: var(--ground) }
.ours { stroke: var(--ours) } .theirs { stroke: var(--theirs) } .plot { fill: none; stroke-width: 1.5; stroke-linejoin: round }
.fresh { fill: var(--ours); fill-opacity: .75 } .old { fill: var(--old) } .failed { fill: var(--theirs) }
</style>`

// labels of the phases, short enough to stand over a quarter of a minute.
var labels = map[string]string{
	phaseReaders: "readers alone", phaseQuiet: "without readers", phaseFlood: "all of them",
	string(Hanging): "the HIS hangs", string(Refuses): "it refuses connections", string(Flaps): "it comes and goes",
	string(Crawls): "each call takes 10 s", string(Dead): "it is dead",
}

// Draw writes the course of the runs as a picture: the calls that reach the HIS,
// what readers are answered, and the slowest confirmations. The first guarded run
// gives the time axis; the others are laid over it phase by phase.
func Draw(w io.Writer, runs ...*Run) error {
	p := &picture{w: bufio.NewWriter(w)}
	for _, r := range runs {
		switch {
		case r.Guarded && p.ours == nil:
			p.ours = r
		case !r.Guarded && p.theirs == nil:
			p.theirs = r
		}
	}
	if p.ours == nil || len(p.ours.Marks) == 0 {
		return fmt.Errorf("there is no run of hisgate to draw")
	}
	p.marks = p.ours.Marks[:min(len(p.ours.Marks), len(titles))] // one round of the plan
	p.span = float64(p.marks[len(p.marks)-1].To)
	p.draw()
	return p.w.Flush()
}

type picture struct {
	w            *bufio.Writer
	ours, theirs *Run
	marks        []Mark
	span         float64 // of the time axis, in seconds
}

func (p *picture) printf(format string, a ...any) { fmt.Fprintf(p.w, format+"\n", a...) }

func (p *picture) x(second float64) float64 {
	return plotLeft + second/p.span*(plotRight-plotLeft)
}

func (p *picture) draw() {
	plots := []struct {
		title string
		draw  func(top float64)
	}{
		{"Calls that reach the HIS in a second (logarithmic)", p.calls},
		{"hisgate in between: reads answered in a second", func(top float64) { p.reads(top, p.ours) }},
		{"nothing in between: reads answered in a second", func(top float64) { p.reads(top, p.theirs) }},
		{"The slowest confirmation of each 5 seconds, in seconds", p.confirms},
	}
	height := plotTop + len(plots)*plotStep
	p.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="A crowd before a HIS, with hisgate in between and with nothing">`, pictureWidth, height)
	p.printf("%s", style)
	p.printf(`<rect class="ground" width="%d" height="%d"/>`, pictureWidth, height)
	p.printf(`<text class="title" x="%d" y="20">1,000 readers, 50 lockers and 20 confirmers before a HIS that bears 4 calls of 300 ms at a time</text>`, plotLeft)
	p.legend(44)
	for i, plot := range plots {
		top := float64(plotTop + i*plotStep)
		p.frame(top, plot.title, i == 0)
		plot.draw(top)
	}
	p.printf("</svg>")
}

func (p *picture) legend(y int) {
	x := plotLeft
	for _, l := range []struct{ class, words string }{
		{"fresh", "hisgate; fresh figures"}, {"old", "old figures, marked"}, {"failed", "nothing in between; not answered"},
	} {
		p.printf(`<rect class="%s" x="%d" y="%d" width="12" height="12"/><text x="%d" y="%d">%s</text>`, l.class, x, y-10, x+18, y, l.words)
		x += 40 + 7*len(l.words)
	}
}

// frame is the ground of a plot: what is wrong with the HIS, and since when.
func (p *picture) frame(top float64, title string, names bool) {
	for _, m := range p.marks {
		if _, calm := map[string]bool{phaseReaders: true, phaseQuiet: true, phaseFlood: true}[m.Name]; !calm {
			p.printf(`<rect class="band" x="%.1f" y="%.0f" width="%.1f" height="%d"/>`, p.x(float64(m.From)), top, p.x(float64(m.Trouble))-p.x(float64(m.From)), plotHeight)
		}
		p.printf(`<line class="grid" x1="%.1f" y1="%.0f" x2="%.1f" y2="%.0f"/>`, p.x(float64(m.From)), top, p.x(float64(m.From)), top+plotHeight)
		if names {
			middle := p.x(float64(m.From+m.To) / 2)
			for i, words := range inTwo(labels[m.Name]) {
				p.printf(`<text class="dim mid" x="%.1f" y="%.0f">%s</text>`, middle, top-24+float64(14*i), words)
			}
		}
	}
	p.printf(`<line class="grid" x1="%d" y1="%.0f" x2="%d" y2="%.0f"/>`, plotLeft, top+plotHeight, plotRight, top+plotHeight)
	p.printf(`<text class="title" x="%d" y="%.0f">%s</text>`, plotLeft, top+plotHeight+18, title)
	if !names {
		return
	}
	for t := 60.0; t < p.span; t += 60 {
		p.printf(`<text class="dim mid" x="%.1f" y="%.0f">%.0f min</text>`, p.x(t), top+plotHeight+18+14, t/60)
	}
}

// inTwo breaks a title into two lines.
func inTwo(words string) []string {
	half := len(words) / 2
	at := strings.IndexByte(words[half:], ' ')
	if len(words) < 13 || at < 0 {
		return []string{"", words}
	}
	return []string{words[:half+at], words[half+at+1:]}
}

// scale turns a value into a height.
type scale func(v float64) float64

func linear(most float64) scale { return func(v float64) float64 { return min(v, most) / most } }

func logarithmic(most float64) scale {
	return func(v float64) float64 { return math.Log1p(min(v, most)) / math.Log1p(most) }
}

func (p *picture) axis(top float64, s scale, values ...float64) {
	for _, v := range values {
		y := top + plotHeight*(1-s(v))
		p.printf(`<line class="grid" stroke-dasharray="2 3" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text class="dim end" x="%d" y="%.1f">%.0f</text>`,
			plotLeft, y, plotRight, y, plotLeft-6, y+4, v)
	}
}

// each calls f for every second of a run with its place on the time axis.
func (p *picture) each(r *Run, f func(at float64, m Moment)) {
	if r == nil {
		return
	}
	for i, m := range p.marks {
		if i == len(r.Marks) {
			return
		}
		own := r.Marks[i]
		for s := own.From; s < own.To && s < len(r.Timeline) && m.From+s-own.From < m.To; s++ {
			f(float64(m.From+s-own.From)+0.5, r.Timeline[s])
		}
	}
}

func (p *picture) calls(top float64) {
	s := logarithmic(3000)
	p.axis(top, s, 1, 10, 100, 1000)
	p.line(top, s, p.theirs, "theirs", func(m Moment) float64 { return float64(m.HIS.Calls) })
	p.line(top, s, p.ours, "ours", func(m Moment) float64 { return float64(m.HIS.Calls) })
}

func (p *picture) line(top float64, s scale, r *Run, class string, value func(Moment) float64) {
	var points strings.Builder
	p.each(r, func(at float64, m Moment) {
		fmt.Fprintf(&points, "%.1f,%.1f ", p.x(at), top+plotHeight*(1-s(value(m))))
	})
	if points.Len() > 0 {
		p.printf(`<polyline class="plot %s" points="%s"/>`, class, strings.TrimSpace(points.String()))
	}
}

// reads stacks what readers were answered, one column a second.
func (p *picture) reads(top float64, r *Run) {
	s := linear(1300)
	p.axis(top, s, 500, 1000)
	if r == nil {
		p.printf(`<text class="dim" x="%d" y="%.0f">not measured</text>`, plotLeft+8, top+20)
		return
	}
	width := p.x(1) - p.x(0) + 0.2
	p.each(r, func(at float64, m Moment) {
		below := 0
		for _, part := range []struct {
			class string
			n     int
		}{{"fresh", m.Fresh}, {"old", m.Stale}, {"failed", m.Failed}} {
			if part.n == 0 {
				continue
			}
			low, high := s(float64(below)), s(float64(below+part.n))
			p.printf(`<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, part.class,
				p.x(at-0.5), top+plotHeight*(1-high), width, plotHeight*(high-low))
			below += part.n
		}
	})
}

// confirms marks the slowest confirmation of each five seconds; where there was
// none, there is no mark.
func (p *picture) confirms(top float64) {
	const every = 5
	s := linear(confirmPatience.Seconds())
	p.axis(top, s, 5, 10, 15)
	for _, of := range []struct {
		run   *Run
		class string
	}{{p.theirs, "failed"}, {p.ours, "fresh"}} {
		slowest := map[int]float64{}
		p.each(of.run, func(at float64, m Moment) {
			if m.Confirmed > 0 {
				slowest[int(at)/every] = max(slowest[int(at)/every], m.Slowest)
			}
		})
		for i := range int(p.span)/every + 1 {
			if v, ok := slowest[i]; ok {
				p.printf(`<circle class="%s" cx="%.1f" cy="%.1f" r="3"/>`, of.class, p.x((float64(i)+0.5)*every), top+plotHeight*(1-s(v)))
			}
		}
	}
}
