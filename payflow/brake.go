package payflow

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// brakeRecord is the durable hourly limit of automatic refunds [D6]. It is
// judged and changed under Service.judge, in the same durable step as the refund
// that it lets through.
type brakeRecord struct {
	Format   int          `json:"v"`
	Version  int64        `json:"version"`
	Times    []time.Time  `json:"times,omitempty"` // of the automatic refunds of the last hour
	Requests []resumeMade `json:"requests,omitempty"`
}

// resumeMade is a ResumeRefunds that was carried out.
type resumeMade struct {
	RequestID string    `json:"request_id"`
	Digest    string    `json:"digest"`
	Actor     string    `json:"actor"`
	Note      string    `json:"note,omitempty"`
	At        time.Time `json:"at"`
	Resumed   int       `json:"resumed"`
	Remaining int       `json:"remaining"`
	Unended   bool      `json:"unended,omitempty"` // its cases have not all been looked at: a repeat goes on with them
}

const (
	brakeWindow   = time.Hour
	resumesStored = 50
)

func (s *Service) loadBrake(context.Context) error {
	data, err := s.engine.Get([]byte(keyBrake))
	if errors.Is(err, engine.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &s.brake); err != nil {
		return &FormatError{Key: keyBrake, Err: err}
	}
	return nil
}

// used is how many automatic refunds the last hour saw.
func (b *brakeRecord) used(now time.Time) int {
	n := 0
	for _, t := range b.Times {
		if now.Sub(t) < brakeWindow {
			n++
		}
	}
	return n
}

// takeBrake lets one automatic refund through, or says that the limit is used
// up. The place is taken for good only with this unit's commit; the judge stays
// locked until then.
func (u *unit) takeBrake() (bool, error) {
	u.lockJudge()
	s, now := u.s, u.s.now()
	b := &s.brake
	if b.used(now) >= s.set.AutoRefundsPerHour {
		return false, nil
	}
	next := *b
	next.Times = slices.DeleteFunc(slices.Clone(b.Times), func(t time.Time) bool { return now.Sub(t) >= brakeWindow })
	next.Times = append(next.Times, now)
	return true, u.writeBrake(next)
}

// writeBrake puts the brake's new record into this unit.
func (u *unit) writeBrake(next brakeRecord) error {
	next.Format, next.Version = recordFormat, next.Version+1
	data, err := json.Marshal(next)
	if err != nil {
		return err
	}
	u.writes = append(u.writes, engine.Write{Key: []byte(keyBrake), Value: data})
	u.onApply = append(u.onApply, func() { u.s.brake = next })
	return nil
}

// Brake says how much of the hourly limit is used.
func (s *Service) brakeNow() Brake {
	s.judge.Lock()
	defer s.judge.Unlock()
	used := s.brake.used(s.now())
	return Brake{
		Limit: s.set.AutoRefundsPerHour, Used: used,
		Shut: used >= s.set.AutoRefundsPerHour, Etag: etag(s.brake.Version),
	}
}
