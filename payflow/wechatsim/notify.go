package wechatsim

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// attemptTimeout is how long WeChat waits for the answer to a notification.
const attemptTimeout = 5 * time.Second

// RetrySchedule is WeChat's: the waits between the attempts of a notification that is not answered with 200 or 204.
// 15 repeats over 24 h 4 min; Options.NotifyScale is not in it.
func RetrySchedule() []time.Duration {
	const s, m, h = time.Second, time.Minute, time.Hour
	return []time.Duration{15 * s, 15 * s, 30 * s, 3 * m, 10 * m, 20 * m, 30 * m, 30 * m, 30 * m, 60 * m, 3 * h, 3 * h, 3 * h, 6 * h, 6 * h}
}

// Notice is a notification in the books.
type Notice struct {
	ID          string    `json:"id"`
	Op          Op        `json:"op"`
	EventType   string    `json:"event_type"`
	OutTradeNo  string    `json:"out_trade_no"`
	OutRefundNo string    `json:"out_refund_no,omitempty"`
	URL         string    `json:"url"`
	Attempts    []Attempt `json:"attempts"`
	Delivered   bool      `json:"delivered"`      // a well-signed attempt was answered with 200 or 204
	GivenUp     bool      `json:"given_up"`       // the schedule ran out
	Next        time.Time `json:"next,omitzero"`  // next attempt, unless Delivered or GivenUp
	BadAccepted int       `json:"bad_accepted"`   // attempts with a bad signature that were answered with 200 or 204
	Body        []byte    `json:"body,omitempty"` // as sent; base64 in JSON
}

// Attempt is one delivery of a notification.
type Attempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status,omitempty"` // of the answer; 0: none
	Error  string    `json:"error,omitempty"`
	Sign   Sign      `json:"sign,omitempty"`
	Serial string    `json:"serial,omitempty"`
}

type notice struct {
	Notice
	tries    int
	inFlight bool
	again    bool   // redelivery asked for while inFlight
	pending  *Fault // taken, and waiting for its delay
}

// announce seals a notification and queues it. Under mu.
func (s *Sim) announce(url string, op Op, event, summary, outTradeNo, outRefundNo string, content any, now time.Time) {
	plain, err := json.Marshal(content)
	if err != nil { // Transaction and RefundNotice encode
		return
	}
	id := fmt.Sprintf("EV-%s%06d%010d", now.In(beijing()).Format("20060102"), s.instance, s.nextID())
	body, err := (&Sealer{s.ring}).Seal(Notification{ID: id, CreateTime: now, EventType: event, Summary: summary, Plaintext: plain})
	if err != nil { // key and nonce have their right lengths
		return
	}
	n := &notice{Notice: Notice{
		ID: id, Op: op, EventType: event, OutTradeNo: outTradeNo, OutRefundNo: outRefundNo, URL: url, Next: now, Body: body,
	}}
	s.notices, s.undelivered = append(s.notices, n), append(s.undelivered, n)
	s.nudge()
}

// NextDue returns when something happens by the clock next: an attempt, the end of a refund, a call applied late.
func (s *Sim) NextDue() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nextDue()
}

func (s *Sim) nextDue() (next time.Time, ok bool) {
	earlier := func(t time.Time) {
		if !ok || t.Before(next) {
			next, ok = t, true
		}
	}
	for _, n := range s.undelivered {
		if !n.inFlight {
			earlier(n.Next)
		}
	}
	if len(s.events) > 0 {
		earlier(s.events[0].at)
	}
	return next, ok
}

// due takes the notices whose time has come, and says how long it is to the next ones (0: nothing planned).
func (s *Sim) due() (due []*notice, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	s.settle(now)
	for _, n := range s.undelivered {
		if n.inFlight || n.Next.After(now) {
			continue
		}
		if n.pending == nil {
			f := s.takeFault(n.Op, n.OutTradeNo)
			n.pending = &f
			if f.Delay > 0 {
				n.Next = now.Add(f.Delay)
				continue
			}
		}
		n.inFlight = true
		due = append(due, n)
	}
	if next, ok := s.nextDue(); ok {
		wait = max(next.Sub(now), time.Nanosecond)
	}
	return due, wait
}

// notifyKey picks the key that signs the next notification.
func (s *Sim) notifyKey() signer {
	if s.opts.Mode != ModeBoth {
		return s.defaultKey()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	with := s.notifyWith
	if with == "" {
		with = []Mode{ModeCertificate, ModePublicKey}[s.turn%2]
		s.turn++
	}
	if with == ModePublicKey {
		return s.ring.publicKey
	}
	return s.ring.certificate
}

// Redeliver sends the notifications about a trade once more, whatever became of them, as WeChat may at any time. It
// returns how many it queued.
func (s *Sim) Redeliver(outTradeNo string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	queued := 0
	for _, n := range s.notices {
		if n.OutTradeNo != outTradeNo {
			continue
		}
		queued++
		if n.inFlight {
			n.again = true
			continue
		}
		s.restart(n)
	}
	s.nudge()
	return queued
}

// restart begins the schedule of a notice anew. Under mu.
func (s *Sim) restart(n *notice) {
	if n.Delivered || n.GivenUp {
		s.undelivered = append(s.undelivered, n)
	}
	n.Delivered, n.GivenUp, n.again, n.tries, n.Next = false, false, false, 0, s.opts.Now()
}

func (n *notice) copy() Notice {
	c := n.Notice
	c.Attempts = slices.Clone(c.Attempts)
	return c
}
