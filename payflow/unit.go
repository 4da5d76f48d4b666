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
	o       *Order // nil: no such order
	place   place  // where its record stands; placeNowhere = to be stored for the first time
	changed bool
	cases   map[string]*Case // touched
	writes  []engine.Write
	judging bool           // holds s.judge until the writes are appended
	onApply []func()       // memory that follows the writes, under s.judge
	alerts  []Alert        // given out once durable
	moves   []Transition   // counted once durable
	logs    []func(Logger) // written once durable
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
		u.o = o.clone()
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

// commit makes the change durable, then visible. It blocks for the disk; the
// unit can be used for a further change afterwards. Errors: ErrStopped when the
// storage failed, or a refusal of the record (too large, not encodable).
func (u *unit) commit() error {
	defer u.release()
	if u.o != nil && u.changed {
		if err := u.seal(); err != nil {
			return err
		}
	}
	if err := u.sealCases(); err != nil {
		return err
	}
	if len(u.writes) == 0 {
		return nil
	}
	if err := u.s.committer.Limits().Check(u.writes); err != nil {
		return err
	}
	u.lockJudge()
	for _, f := range u.onApply {
		f()
	}
	if u.o != nil && u.changed {
		u.s.rx.set(u.o)
	}
	ticket := u.s.committer.Append(u.writes...)
	u.release()
	if err := ticket.Wait(context.Background()); err != nil {
		u.s.die(err)
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	u.publish()
	return nil
}

// seal turns the changed order into writes.
func (u *unit) seal() error {
	o := u.o
	o.Version++
	o.UpdatedAt = u.s.now()
	if u.place == placeNowhere {
		o.CreatedAt = o.UpdatedAt
		u.writes = append(u.writes, engine.Write{Key: keyTime(prefixTime, o.CreatedAt, o.No)})
	}
	if err := u.tidyCases(); err != nil {
		return err
	}
	data, err := encodeOrder(o)
	if err != nil {
		return err
	}
	is := placeActive
	if o.ended() {
		is = placeEnded
	}
	u.writes = append(u.writes, engine.Write{Key: is.key(o.No), Value: data})
	if u.place != is && u.place != placeNowhere {
		u.writes = append(u.writes, engine.Write{Key: u.place.key(o.No), Delete: true})
	}
	u.place = is
	if rx := o.Attributes[attributeRx]; rx != "" {
		u.writes = append(u.writes, engine.Write{Key: keyRx(rx, o.No), Delete: !o.live()})
	}
	return nil
}

// place is the prefix under which an order's record stands.
type place uint8

const (
	placeNowhere place = iota
	placeActive
	placeEnded
)

func (p place) key(no string) []byte {
	if p == placeActive {
		return keyActive(no)
	}
	return keyEnded(no)
}

// publish shows a durable change to the rest of the house.
func (u *unit) publish() {
	s := u.s
	if u.o != nil && u.changed {
		if u.place == placeEnded {
			s.judge.Lock()
			s.rx.rest(u.o) // the stored index knows it from here on
			s.judge.Unlock()
		}
		s.show(u.o, u.place, u.moves)
		u.o = u.o.clone()
	}
	s.showCases(u.cases)
	for _, f := range u.logs {
		f(s.log)
	}
	for _, a := range u.alerts {
		s.hooks.OnAlert(a)
		s.log.Warn("alert", "alert", a.Name, "severity", a.Severity, "order_no", a.OrderNo, "case", a.CaseID, "detail", a.Detail)
	}
	for _, m := range u.moves {
		s.hooks.OnTransition(u.o.Strategy, m.From, m.To)
	}
	s.ring(u.no)
	u.writes, u.onApply, u.alerts, u.moves, u.logs = nil, nil, nil, nil, nil
	u.changed = false
	clear(u.cases)
}

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
