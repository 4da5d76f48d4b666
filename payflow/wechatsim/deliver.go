package wechatsim

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Run delivers notifications when they are due, each in its own goroutine, until ctx ends or the Sim is closed; then it
// waits for the attempts under way, which end with ctx, and returns. Run it once.
func (s *Sim) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel() // before waiting
	for {
		due, wait := s.due()
		for _, n := range due {
			wg.Go(func() { s.attempt(ctx, n) })
		}
		if !s.sleep(ctx, wait) {
			return
		}
	}
}

// sleep waits until the next thing is due or something was added, and reports whether to go on.
func (s *Sim) sleep(ctx context.Context, wait time.Duration) bool {
	var alarm <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-s.done:
		return false
	case <-s.wake:
	case <-alarm:
	}
	return true
}

// DeliverDue makes every attempt that is due by the clock, one after the other, and returns how many were made. It is for
// tests that move their own clock; it blocks for the answers.
func (s *Sim) DeliverDue(ctx context.Context) int {
	made := 0
	for {
		due, _ := s.due()
		if len(due) == 0 {
			return made
		}
		for _, n := range due {
			s.attempt(ctx, n)
			made++
		}
		if ctx.Err() != nil {
			return made
		}
	}
}

// attempt delivers one notice once (and its copies), and records what came of it.
func (s *Sim) attempt(ctx context.Context, n *notice) {
	f := *n.pending // owned by the attempt while inFlight
	at := s.opts.Now()
	var results []Attempt
	if f.Kind == KindDrop {
		results = []Attempt{{At: at, Error: "lost on the way"}}
	} else {
		results = make([]Attempt, 1+f.Copies)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() { results[i] = s.send(ctx, n.URL, n.Body, f.Sign) })
		}
		wg.Wait()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.inFlight, n.pending = false, nil
	n.Attempts = append(n.Attempts, results...)
	for _, r := range results {
		if r.Status != http.StatusOK && r.Status != http.StatusNoContent {
			continue
		}
		if f.Sign == SignGood {
			n.Delivered = true
		} else {
			n.BadAccepted++
		}
	}
	s.opts.Logger.Debug("wechatsim notified", "event", n.EventType, "out_trade_no", n.OutTradeNo, "delivered", n.Delivered, "try", n.tries+1)
	n.tries++
	schedule := RetrySchedule()
	switch {
	case n.Delivered:
		n.Next = time.Time{}
	case n.tries > len(schedule):
		n.GivenUp, n.Next = true, time.Time{}
	default:
		wait := time.Duration(float64(schedule[n.tries-1]) * s.opts.NotifyScale)
		n.Next = s.opts.Now().Add(max(wait, time.Nanosecond))
	}
	if n.Delivered || n.GivenUp {
		s.undelivered = slices.DeleteFunc(s.undelivered, func(o *notice) bool { return o == n })
	}
	if n.again {
		s.restart(n)
	}
	s.nudge()
}

func (s *Sim) send(ctx context.Context, url string, body []byte, how Sign) Attempt {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	key := s.notifyKey()
	now := s.opts.Now()
	a := Attempt{At: now, Sign: how, Serial: key.serial}
	r, err := notifyRequest(url, body, signHeader(key, body, now, how))
	if err != nil {
		a.Error = err.Error()
		return a
	}
	resp, err := s.opts.NotifyClient.Do(r.WithContext(ctx))
	if err != nil {
		a.Error = err.Error()
		return a
	}
	a.Status = resp.StatusCode
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}
