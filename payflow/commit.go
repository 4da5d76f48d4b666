package payflow

import (
	"context"
	"fmt"
	"slices"

	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/lockstore/engine"
)

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
	o.clockWasAhead(u.s.set, o.UpdatedAt)
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
	u.indexDays(daysOf(o))
	if rx := o.Attributes[attributeRx]; rx != "" {
		u.writes = append(u.writes, engine.Write{Key: keyRx(rx, o.No), Delete: !o.live()})
	}
	return nil
}

// indexDays keeps the index of reconciliation.
func (u *unit) indexDays(days []string) {
	for _, day := range days {
		if !slices.Contains(u.days, day) {
			u.writes = append(u.writes, engine.Write{Key: keyDay(day, u.o.No)})
		}
	}
	for _, day := range u.days {
		if !slices.Contains(days, day) {
			u.writes = append(u.writes, engine.Write{Key: keyDay(day, u.o.No), Delete: true})
		}
	}
	u.days = days
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
		s.show(u.o, u.place, u.moves, u.cause)
		u.o = u.o.clone()
	}
	s.showCases(u.cases)
	for _, f := range u.logs {
		f(span.Log(u.cause, s.log))
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
