package protect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
)

// What the HIS bears, as the design has it.
const (
	hisLimit   = 4                      // calls at once; it resets the connection of one more
	hisLatency = 300 * time.Millisecond // of each call
	hisCrawl   = 10 * time.Second       // of each call while it is slow
	hisLinger  = 5 * time.Second        // a hung call occupies it so much longer than its caller waits
	hisHang    = 2 * time.Minute        // the longest that it hangs
	maxRequest = 1 << 20

	pharmacy = "HLWYF"
	drugs    = 100
	onHand   = 10_000_000 // of each drug: never short
)

func drugID(i int) string { return fmt.Sprintf("D%03d", i) }

// Mood is what is wrong with the HIS.
type Mood string

// The moods.
const (
	Well    Mood = "well"
	Hanging Mood = "hanging" // takes calls and never answers
	Refuses Mood = "refuses" // nobody listens
	Flaps   Mood = "flaps"   // refuses and is well by turns
	Crawls  Mood = "crawls"  // 10 s for each call
	Dead    Mood = "dead"    // every connection is cut before it is answered
)

// Hospital is a HIS behind HTTP that counts. It goes on with a call whose caller
// has left, as real ones do. simhis keeps its books.
type Hospital struct {
	his  *simhis.HIS
	work http.Handler
	door *simhis.Door // shut while it refuses

	mu     sync.Mutex
	mood   Mood
	atWork int
	second Second // since the last Tick
	total  Count
}

// Count is what the HIS saw.
type Count struct {
	Calls   int `json:"calls"`   // arrived
	Queries int `json:"queries"` // of these, for stock
	Turned  int `json:"turned"`  // of these, beyond the limit: reset
	AtOnce  int `json:"at_once"` // the most that were at work at once
}

// Second is a Count of one second.
type Second = Count

// OpenHospital serves one on a free port of the loopback address.
func OpenHospital() (*Hospital, error) {
	var c simhis.Catalogue
	for i := range drugs {
		c.Drugs = append(c.Drugs, simhis.Drug{ID: drugID(i), Facts: hisadapter.Facts{Name: drugID(i), Unit: "片"}})
		c.Stock = append(c.Stock, simhis.Stock{Key: hisadapter.Key{PharmacyID: pharmacy, DrugID: drugID(i)}, OnHand: onHand})
	}
	his, err := simhis.New(simhis.Config{Capabilities: capabilities(), Catalogue: c})
	if err != nil {
		return nil, err
	}
	h := &Hospital{his: his, work: his.HISHandler(), mood: Well}
	h.door, err = simhis.Serve(h)
	return h, err
}

// capabilities of a plain HIS: no freeze, so that a lock is a matter of the
// ledger and a live reading.
func capabilities() hisadapter.Capabilities {
	return hisadapter.Capabilities{Find: true, IdempotentByHisNo: true, AtomicItems: true, BatchSize: drugs}
}

// URL is where it is served.
func (h *Hospital) URL() string { return h.door.URL() }

// Set changes the mood from now on. Flaps is Well and Refuses by turns, which is
// the caller's to do.
func (h *Hospital) Set(m Mood) error {
	h.mu.Lock()
	h.mood = m
	h.mu.Unlock()
	if m == Refuses {
		return h.door.Close()
	}
	return h.door.Open()
}

// Close stops serving.
func (h *Hospital) Close() error { return h.Set(Refuses) }

// ServeHTTP is one call.
func (h *Hospital) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, "body", http.StatusBadRequest)
		return
	}
	mood, room := h.arrive(strings.HasSuffix(r.URL.Path, "/query_stock"))
	if !room {
		reset(w)
		return
	}
	if mood == Hanging {
		wait(r.Context(), hisHang)
		time.Sleep(hisLinger)
		h.leave()
		reset(w)
		return
	}
	took := hisLatency
	if mood == Crawls {
		took = hisCrawl
	}
	time.Sleep(took) // whether its caller is still there or not
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := &page{header: http.Header{}, status: http.StatusOK}
	h.work.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
	h.leave()
	answer.sendTo(w)
}

// arrive counts a call and lets it in, if there is room.
func (h *Hospital) arrive(query bool) (m Mood, room bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	room = h.atWork < hisLimit && h.mood != Dead
	for _, c := range []*Count{&h.second, &h.total} {
		c.Calls++
		if query {
			c.Queries++
		}
		if !room && h.mood != Dead {
			c.Turned++
		}
	}
	if room {
		h.atWork++
		h.second.AtOnce, h.total.AtOnce = max(h.second.AtOnce, h.atWork), max(h.total.AtOnce, h.atWork)
	}
	return h.mood, room
}

func (h *Hospital) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.atWork--
}

// Tick returns what came since the last Tick.
func (h *Hospital) Tick() Second {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.second
	h.second = Second{AtOnce: h.atWork}
	return s
}

// Total returns the count since the last Reset.
func (h *Hospital) Total() Count {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total
}

// Reset begins to count anew.
func (h *Hospital) Reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total = Count{AtOnce: h.atWork}
}

var errUnsound = errors.New("the books of the HIS are not sound")

// Orders checks the books and returns the orders that were deducted, each once.
func (h *Hospital) Orders() (map[string]bool, error) {
	books := h.his.Books()
	if err := books.Check(); err != nil {
		return nil, errors.Join(errUnsound, err)
	}
	orders := make(map[string]bool, len(books.Orders))
	for _, o := range books.Orders {
		if n := o.Applications(); n != 1 {
			return nil, fmt.Errorf("%w: %s was deducted %d times", errUnsound, o.HisNo, n)
		}
		orders[o.HisNo] = true
	}
	return orders, nil
}

// reset cuts the connection as a server that is full does.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // the caller sees a reset or an end: both are none of an answer
	}
	_ = conn.Close()
}

// page is an answer that waits to be sent.
type page struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (p *page) Header() http.Header { return p.header }

// WriteHeader implements http.ResponseWriter.
func (p *page) WriteHeader(status int) { p.status = status }

// Write implements http.ResponseWriter.
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }

func (p *page) sendTo(w http.ResponseWriter) {
	w.Header().Set("Content-Type", p.header.Get("Content-Type"))
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body.Bytes()) // the caller may be gone
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
