package payflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// unit is one change of one order, with its cases and letters, made durable as a
// whole. Whoever has one holds the order's key. The order in it is a copy: until
// commit nothing is seen by others.
type unit struct {
	s       *Service
	no      string
	o       *Order   // nil: no such order
	days    []string // of the order as it was loaded, see daysOf
	place   place    // where its record stands; placeNowhere = to be stored for the first time
	changed bool
	cases   map[string]*Case // touched
	writes  []engine.Write
	judging bool            // holds s.judge until the writes are appended
	onApply []func()        // memory that follows the writes, under s.judge
	alerts  []Alert         // given out once durable
	moves   []Transition    // counted once durable
	logs    []func(Logger)  // written once durable
	cause   context.Context // of the call or callback that it follows from; nil = none
}

// Logger is the part of slog that the room uses.
type Logger = *slog.Logger

// begin loads the order for a change; u.o is nil when there is none.
func (s *Service) begin(no string) (*unit, error) {
	o, at, err := s.load(no)
	if err != nil {
		return nil, err
	}
	u := &unit{s: s, no: no, place: at, cases: map[string]*Case{}}
	if o != nil {
		u.o, u.days = o.clone(), daysOf(o)
	}
	return u, nil
}

// load returns the durable order and where it is stored, or nil. The value is
// shared: read only.
func (s *Service) load(no string) (*Order, place, error) {
	for range 3 { // an order may move between the prefixes meanwhile
		if o, at := s.inMemory(no); o != nil {
			return o, at, nil
		}
		for _, at := range []place{placeEnded, placeActive} {
			key := at.key(no)
			data, err := s.engine.Get(key)
			switch {
			case err == nil:
				o, err := decodeOrder(key, data)
				return o, at, err
			case !errors.Is(err, engine.ErrNotFound):
				return nil, placeNowhere, fmt.Errorf("read order %s: %w", no, err)
			}
		}
	}
	return nil, placeNowhere, nil
}

func (s *Service) inMemory(no string) (*Order, place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[no]; e != nil {
		return e.order, e.place
	}
	return nil, placeNowhere
}

// release gives up what the unit holds; harmless after commit.
func (u *unit) release() {
	if u.judging {
		u.judging = false
		u.s.judge.Unlock()
	}
}

// lockJudge makes this unit the only one that judges what orders share (the
// brake, prescriptions) until its writes are appended.
func (u *unit) lockJudge() {
	if !u.judging {
		u.s.judge.Lock()
		u.judging = true
	}
}

// fire applies an event by the table. Errors: *PreconditionError, *AbortedError,
// *faultError; then nothing was changed. referred is true when the event asks for
// a case and the state was kept.
func (u *unit) fire(e event, actor, detail string) (referred bool, err error) {
	o := u.o
	c := next(o.State, e)
	switch c.kind {
	case stay:
		return false, nil
	case refer:
		return true, nil
	case refuse:
		return false, &PreconditionError{Reason: c.reason, State: o.State}
	case aborted:
		return false, &AbortedError{Reason: c.reason, State: o.State}
	case move:
	default:
		err := &faultError{OrderNo: o.No, State: o.State, Event: e}
		u.s.log.Error("impossible event", "order_no", o.No, "state", o.State, "event", e)
		return false, err
	}
	if c.guard != nil {
		if reason := c.guard(o); reason != "" {
			return false, &PreconditionError{Reason: reason, State: o.State}
		}
	}
	from := o.State
	if from == NeedsAttention {
		o.DecidedAt = u.s.now()
	}
	o.State = c.to
	o.NextAt, o.Tries = time.Time{}, 0
	o.Trouble = nil
	u.moves = append(u.moves, Transition{From: from, To: c.to})
	u.note(HistoryEntry{From: from, To: c.to, Event: string(e), Actor: actor, Detail: detail})
	return false, nil
}

// happened is fire for what the worker found out. An error is a fault of ours
// and comes under the worker's rule for poisoned orders.
func (u *unit) happened(e event, detail string) error {
	_, err := u.fire(e, "", detail)
	return err
}

const (
	historyMax  = 200
	historyHead = 60
	detailMax   = 500
)

// note appends to the history; a repeat of the last entry is folded, and the
// middle of a long history is given up for its beginning and end.
func (u *unit) note(h HistoryEntry) {
	o := u.o
	u.changed = true
	h.At = u.s.now()
	h.Detail = cut(h.Detail, detailMax)
	if n := len(o.History); n > 0 {
		last := &o.History[n-1]
		if last.Event == h.Event && last.From == h.From && last.To == h.To && last.Actor == h.Actor && last.Detail == h.Detail {
			last.Count = max(last.Count, 1) + 1
			last.LastAt = h.At
			return
		}
	}
	o.History = append(o.History, h)
	if len(o.History) > historyMax {
		gone := o.History[historyHead]
		if gone.Event == "OMITTED" {
			o.History = slices.Delete(o.History, historyHead+1, historyHead+2)
			o.History[historyHead].Count++
		} else {
			o.History[historyHead] = HistoryEntry{At: gone.At, Event: "OMITTED", Count: 2}
			o.History = slices.Delete(o.History, historyHead+1, historyHead+2)
		}
	}
}

// said notes something that did not change the state.
func (u *unit) said(event, detail string) { u.note(HistoryEntry{Event: event, Detail: detail}) }

// fail notes that a step did not succeed and when it is tried again.
func (u *unit) fail(op, kind, code, text string) {
	o, now := u.o, u.s.now()
	u.trouble(op, kind, code, text)
	o.NextAt = now.Add(retryAfter(op, kind, o.Tries))
	o.Tries++
}

// trouble notes what is in the way, without planning a retry of the main step.
func (u *unit) trouble(op, kind, code, text string) {
	o, now := u.o, u.s.now()
	text = cut(text, detailMax)
	if t := o.Trouble; t != nil && t.Op == op && t.Kind == kind && t.Code == code {
		t.Count++
		t.LastAt, t.Text = now, text
	} else {
		since := now
		if t != nil && t.Op == op {
			since = t.Since
		}
		o.Trouble = &Trouble{Op: op, Kind: kind, Code: code, Text: text, Since: since, LastAt: now, Count: 1}
	}
	u.said(op+": "+kind, code)
	if kind == kindMisconfigured {
		u.alert(Alert{Name: "misconfigured", Severity: P1, Detail: op + ": " + text})
	}
}

func (u *unit) alert(a Alert) {
	if a.OrderNo == "" {
		a.OrderNo = u.no
	}
	u.alerts = append(u.alerts, a)
}

// later writes a log line once the change is durable.
func (u *unit) later(f func(Logger)) { u.logs = append(u.logs, f) }

// cut bounds a text to so many bytes, at a character's end.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xC0 == 0x80 {
		most--
	}
	return s[:most]
}
