package wechatsim

import (
	"container/heap"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Sim is a simulated WeChat Pay for one merchant. All its methods are safe for concurrent use.
type Sim struct {
	opts    Options
	ring    *ring
	handler http.Handler
	done    chan struct{} // closed by Close
	wake    chan struct{} // a notice was added; capacity 1
	closing sync.Once

	mu          sync.Mutex
	trades      map[string]*trade  // by out_trade_no
	paid        map[string]*trade  // by transaction_id
	refunds     map[string]*refund // by out_refund_no
	tradeOrder  []*trade
	refunded    []*refund
	notices     []*notice
	undelivered []*notice // those neither delivered nor given up
	events      eventHeap
	faults      []Fault
	calls       map[Op]int
	bills       map[string]bill // by download token
	notifyWith  Mode
	turn        int // of notification keys under ModeBoth
	instance    uint64
	serial      uint64
}

// New opens a simulator. It starts nothing: see Handler, RoundTripper and Run.
func New(o Options) (*Sim, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	r, err := o.Keys.parse()
	if err != nil {
		return nil, err
	}
	s := &Sim{
		opts: o, ring: r, done: make(chan struct{}), wake: make(chan struct{}, 1),
		trades: map[string]*trade{}, paid: map[string]*trade{}, refunds: map[string]*refund{},
		calls: map[Op]int{}, bills: map[string]bill{}, notifyWith: o.NotifyWith, instance: o.Seed,
	}
	if s.instance == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails, by its documentation
		s.instance = binary.BigEndian.Uint64(b[:])
	}
	s.instance %= 1_000_000
	s.handler = s.routes()
	return s, nil
}

// Handler serves the API under /v3/ and, unless disabled, the controls under /sim/.
func (s *Sim) Handler() http.Handler { return s.handler }

// Sealer seals and signs with this simulator's keys, for hand-made callbacks.
func (s *Sim) Sealer() *Sealer { return &Sealer{s.ring} }

// Close ends Run and lets go of every call that hangs. What was not delivered stays undelivered. It does not block and
// may be called again.
func (s *Sim) Close() { s.closing.Do(func() { close(s.done) }) }

// SetNotifyWith changes Options.NotifyWith: the key that signs notifications under ModeBoth.
func (s *Sim) SetNotifyWith(m Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notifyWith = m
}

// Calls counts the authentic API calls of one kind so far, whatever became of them.
func (s *Sim) Calls(op Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// nextID counts ids; with the instance number in front they are unique also across restarts of the simulator. Under mu.
func (s *Sim) nextID() uint64 {
	s.serial++
	return s.serial
}

// settle brings the books up to now: ends of refunds, calls applied late. Under mu. It runs at the start of whatever
// looks at the books, so that states move by the clock also where nobody calls Run.
func (s *Sim) settle(now time.Time) {
	for len(s.events) > 0 && !s.events[0].at.After(now) {
		e := heap.Pop(&s.events).(event)
		e.run(e.at)
	}
}

// at plans a change of the books. Under mu.
func (s *Sim) at(when time.Time, run func(at time.Time)) {
	heap.Push(&s.events, event{when, s.nextID(), run})
	s.nudge()
}

func (s *Sim) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

type event struct {
	at  time.Time
	seq uint64
	run func(at time.Time)
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// The shapes of WeChat's own numbers: 36, 28 and 29 characters. Under mu.
func (s *Sim) newPrepayID(now time.Time) string {
	return fmt.Sprintf("wx%s%06d%014x", now.In(beijing()).Format("20060102150405"), s.instance, s.nextID())
}

func (s *Sim) newTransactionID(now time.Time) string {
	return fmt.Sprintf("4200%06d%s%010d", s.instance, now.In(beijing()).Format("20060102"), s.nextID())
}

func (s *Sim) newRefundID(now time.Time) string {
	return fmt.Sprintf("5030%06d%s%011d", s.instance, now.In(beijing()).Format("20060102"), s.nextID())
}
