package alarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// owedMetric is the money that messages of rules about money name.
const owedMetric = "hisgate_payflow_owed_fen"

// Options of an Alarm. Gatherer is required.
type Options struct {
	Gatherer prometheus.Gatherer
	Webhooks []Webhook         // none = alerts are lines of the log and metrics alone
	Rules    []Rule            // nil = Rules()
	Every    time.Duration     // between two looks; 0 = 15 s
	Repeat   time.Duration     // after which what still stands is told again; 0 = 4 h
	Pace     time.Duration     // between two messages to one webhook; 0 = 3.5 s: robots take 20 a minute
	Language Language          // "" = Both
	Host     string            // which hisgate it is, for messages
	HTTP     http.RoundTripper // to the webhooks; nil = as net/http does, with proxies of the environment
	Now      func() time.Time  // nil = time.Now
	Logger   *slog.Logger      // nil = silent
}

// Alarm watches and tells. Its methods may be called by several goroutines at
// once, and none but Run and Flush blocks.
type Alarm struct {
	o        Options
	couriers []*courier

	// Of the goroutine of Run alone:
	history *history
	blind   bool // metrics could not be read

	mu     sync.Mutex
	states []standing           // by the index of the rule
	events map[string]time.Time // when an event was told last, by its key
}

// New checks the options. Call Run for anything to happen.
func New(o Options) (*Alarm, error) {
	if o.Gatherer == nil {
		return nil, errors.New("alarm: a gatherer is needed")
	}
	if o.Rules == nil {
		o.Rules = Rules()
	}
	if o.Every == 0 {
		o.Every = 15 * time.Second
	}
	if o.Repeat == 0 {
		o.Repeat = 4 * time.Hour
	}
	if o.Pace == 0 {
		o.Pace = 3500 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Every < 0 || o.Repeat < 0 || o.Pace < 0 {
		return nil, errors.New("alarm: times must not be negative")
	}
	a := &Alarm{
		o: o, history: newHistory(o.Rules, o.Every),
		states: make([]standing, len(o.Rules)), events: map[string]time.Time{},
	}
	p := newPoster(o.HTTP, o.Language, o.Host, o.Now)
	for i, w := range o.Webhooks {
		a.couriers = append(a.couriers, &courier{
			hook: w, name: fmt.Sprintf("%d (%s)", i, w.Format), post: p, pace: o.Pace, log: o.Logger, wake: make(chan struct{}, 1),
		})
	}
	return a, nil
}

// Run looks and delivers until ctx ends; then it returns nil.
func (a *Alarm) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range a.couriers {
		wg.Go(func() { c.run(ctx) })
	}
	tick := time.NewTicker(a.o.Every)
	defer tick.Stop()
	for {
		a.look()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look reads the metrics once and tells what changed.
func (a *Alarm) look() {
	families, err := a.o.Gatherer.Gather()
	at := a.o.Now()
	if err != nil && !a.blind { // what could be read counts all the same
		a.o.Logger.Error("the alarm cannot read all metrics", "error", err)
	}
	a.blind = err != nil
	a.history.add(at, families)
	var owed int64
	for _, f := range families {
		if f.GetName() == owedMetric {
			owed = int64(read(Term{Metric: owedMetric}, f).value)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.o.Rules {
		r, s := &a.o.Rules[i], &a.states[i]
		value, holds := a.history.judge(r)
		switch s.turn(r, at, value, holds, a.o.Repeat) {
		case begun:
			a.tell(r.message(Firing, s, at, owed), at)
		case goesOn:
			a.tell(r.message(Repeated, s, at, owed), at)
		case ended:
			a.tell(r.message(Resolved, s, at, owed), at)
			*s = standing{}
		}
	}
}

// message is what is told of a rule.
func (r *Rule) message(k Kind, s *standing, at time.Time, owed int64) Message {
	m := Message{
		Name: r.Name, Severity: r.Severity, Kind: k, Title: r.Title, What: r.What, Do: r.Do,
		Since: s.firing, Until: s.firing.Add(r.Severity.Within()),
	}
	if k == Resolved {
		m.Until = at
		return m
	}
	if r.Unit != Flag {
		m.Figure = fmt.Sprintf("%s (%s)", r.Unit.show(s.value), r.Threshold())
	}
	if r.Money {
		m.Fen = owed
	}
	return m
}

// eventsMost bounds the keys that are remembered.
const eventsMost = 10_000

// Tell sends an event at once, unless one of the same key was sent within
// Repeat. Kind and Since are filled in.
func (a *Alarm) Tell(key string, m Message) {
	at := a.o.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if told, known := a.events[key]; known && at.Sub(told) < a.o.Repeat {
		return
	}
	if len(a.events) >= eventsMost {
		maps.DeleteFunc(a.events, func(_ string, told time.Time) bool { return at.Sub(told) >= a.o.Repeat })
	}
	if len(a.events) >= eventsMost { // rather one told twice than one forgotten
		clear(a.events)
	}
	a.events[key] = at
	m.Kind, m.Since = Happened, at
	a.tell(m, at)
}

// tell writes the line of the log and hands the message to the couriers. Callers
// hold mu.
func (a *Alarm) tell(m Message, at time.Time) {
	switch m.Kind {
	case Happened: // whoever told of it has written it
	case Resolved:
		a.o.Logger.Info("alert", "name", m.Name, "severity", m.Severity, "kind", m.Kind, "title", m.Title.EN)
	default:
		a.o.Logger.Error("alert", "name", m.Name, "severity", m.Severity, "kind", m.Kind, "title", m.Title.EN, "figure", m.Figure, "fen", m.Fen)
	}
	for _, c := range a.couriers {
		c.push(m, at)
	}
}

// Flush waits until all messages were taken, at most until ctx ends: for the last
// words of a process. It delivers nothing by itself; Run must be under way.
func (a *Alarm) Flush(ctx context.Context) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for a.waiting() {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// waiting reports whether any message was not taken yet.
func (a *Alarm) waiting() bool {
	for _, c := range a.couriers {
		c.mu.Lock()
		n := len(c.queue)
		c.mu.Unlock()
		if n > 0 {
			return true
		}
	}
	return false
}

// Figures are those of the alarm itself.
type Figures struct {
	Firing                map[Severity]int // alerts of rules that stand
	Sent, Failed, Dropped uint64           // messages taken; tries that failed; messages given up
}

// Figures returns the figures of now.
func (a *Alarm) Figures() Figures {
	f := Figures{Firing: map[Severity]int{}}
	a.mu.Lock()
	for i := range a.states {
		if !a.states[i].firing.IsZero() {
			f.Firing[a.o.Rules[i].Severity]++
		}
	}
	a.mu.Unlock()
	for _, c := range a.couriers {
		c.mu.Lock()
		f.Sent, f.Failed, f.Dropped = f.Sent+c.count.sent, f.Failed+c.count.failed, f.Dropped+c.count.dropped
		c.mu.Unlock()
	}
	return f
}

// badHealth is how long a webhook may fail before health says so.
const badHealth = time.Minute

// Health says which webhooks take no messages.
func (a *Alarm) Health() []string {
	var out []string
	for _, c := range a.couriers {
		c.mu.Lock()
		if !c.badSince.IsZero() && a.o.Now().Sub(c.badSince) >= badHealth {
			out = append(out, fmt.Sprintf("alerts: webhook %s takes no messages since %s: %v", c.name, c.badSince.UTC().Format(time.RFC3339), c.why))
		}
		c.mu.Unlock()
	}
	return out
}
