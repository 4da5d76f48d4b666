package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// seedOf returns the seed of a random test: HISGATE_TEST_SEED, or a new one.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("HISGATE_TEST_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("HISGATE_TEST_SEED=%d", seed)
	return seed
}

// Patients order, pay, cancel and go away, the counter sells, the HIS cuts calls
// before and after it applied them, and hisgate is killed again and again in
// between. In the end the books agree.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		const rounds, patients = 8, 3
		rng := rand.New(rand.NewPCG(seedOf(t), 0))
		w := newWorld(t, freeze)
		w.cfg.Payment.RefundsPerHour = 1000
		w.shelve("D1", 30)
		w.shelve("D2", 1000)
		for _, op := range []simhis.Op{simhis.OpFreeze, simhis.OpUnfreeze, simhis.OpPlaceOrder, simhis.OpFindOrder, simhis.OpQueryStock} {
			w.hisFault(simhis.Fault{Op: op, What: simhis.Reset, Apply: true, Chance: 0.1})
			w.hisFault(simhis.Fault{Op: op, What: simhis.HTTP500, Chance: 0.1})
		}
		var now atomic.Pointer[process]
		now.Store(w.start())
		var wg sync.WaitGroup
		for round := range rounds {
			for i := range patients {
				p := &patient{
					world: w, hisgate: &now, rng: rand.New(rand.NewPCG(rng.Uint64(), 1)),
					no: fmt.Sprintf("E2E-RANDOM-%d-%d", round, i),
				}
				wg.Go(p.live)
			}
			if rng.IntN(3) == 0 {
				w.sell("D1", 1)
			}
			after(t, time.Duration(rng.IntN(400))*time.Millisecond)
			now.Load().kill()
			now.Store(w.start())
		}
		wg.Wait()
		w.audit(now.Load().api)
	})
}

// after waits for a moment that is random, and means nothing else.
func after(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// patient is one client with one order, who repeats what is not answered.
type patient struct {
	*world
	hisgate *atomic.Pointer[process]
	rng     *rand.Rand
	no      string
}

// ask repeats a call until hisgate says something definite, and returns the
// order if it is one, or the reason of the refusal.
func (p *patient) ask(method, path, body string) (*hisgatev1.Order, string) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := p.hisgate.Load().try(method, path, body)
		switch {
		case err != nil, got.status == http.StatusServiceUnavailable, got.status == http.StatusTooManyRequests:
		case got.status == http.StatusOK:
			o := &hisgatev1.Order{}
			if err := protojson.Unmarshal(got.body, o); err != nil {
				p.t.Errorf("%s: %v", p.no, err)
			}
			return o, ""
		default:
			return nil, got.failure(p.t).reason()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Errorf("%s %s was never answered: %v, %s", method, path, err, got.body)
			return nil, "UNANSWERED"
		}
	}
}

func (p *patient) live() {
	strategy := []string{"RESERVE", "HOLD", "VERIFY", "REFUND"}[p.rng.IntN(4)]
	drug := []string{"D1", "D2"}[p.rng.IntN(2)]
	path := "/v1/orders/" + p.no
	o, reason := p.ask(http.MethodPost, "/v1/orders", orderJSON(p.no, strategy, drug, 1+p.rng.IntN(3)))
	if o != nil && strategy == "HOLD" {
		o, reason = p.ask(http.MethodPost, path+":prepay", `{"payment":`+jsapiJSON+`}`)
	}
	if o == nil && reason != hisgatev1.Reason_STOCK_INSUFFICIENT.String() {
		p.t.Errorf("%s was refused: %s", p.no, reason)
	}
	pays := o != nil && p.rng.IntN(4) > 0
	if pays {
		if _, err := p.sims.WeChat.Pay(p.t.Context(), p.no); err != nil {
			// The prepay may be under way still.
			o, _ = p.ask(http.MethodGet, path, "")
			pays = p.payLater(path, o)
		}
	}
	if !pays || p.rng.IntN(4) == 0 {
		p.ask(http.MethodPost, path+":cancel", `{}`) // a refusal is an answer
	}
	p.awaitEnd(path)
}

func (p *patient) payLater(path string, o *hisgatev1.Order) bool {
	for range 100 {
		if o.GetNext() == hisgatev1.Order_PAY {
			if _, err := p.sims.WeChat.Pay(p.t.Context(), p.no); err == nil {
				return true
			}
		}
		o, _ = p.ask(http.MethodPost, path+":sync", `{}`)
		after(p.t, 50*time.Millisecond)
	}
	return false
}

// awaitEnd waits until the order is over, as someone does who presses "refresh".
func (p *patient) awaitEnd(path string) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		o, reason := p.ask(http.MethodPost, path+":sync", `{}`)
		if o == nil {
			o, reason = p.ask(http.MethodGet, path, "")
		}
		if o == nil {
			p.t.Error(errors.New(p.no + ": " + reason))
			return
		}
		switch o.GetStatus() {
		case hisgatev1.Order_FULFILLED, hisgatev1.Order_REFUNDED, hisgatev1.Order_CLOSED, hisgatev1.Order_REJECTED:
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Errorf("%s does not end: %s", p.no, protojson.Format(o))
			return
		}
	}
}
