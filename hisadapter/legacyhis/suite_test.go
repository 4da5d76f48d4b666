package legacyhis_test

import (
	"context"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/adaptertest"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/legacyhis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/hisadapter/simhis/simhand"
)

// world is one dialect being asked: it is the suite's hand and can take the
// whole server off the network.
type world struct {
	simhand.Hand
	server  *simhis.Door
	handler handler

	mu    sync.Mutex
	down  adaptertest.Op // after a call of it the server comes up again
	calls int            // in flight
}

// Strike implements adaptertest.Control. Down is a real refusal of connections.
func (w *world) Strike(t testing.TB, op adaptertest.Op, trouble adaptertest.Trouble) <-chan struct{} {
	t.Helper()
	if trouble != adaptertest.Down {
		return w.Hand.Strike(t, op, trouble)
	}
	if err := w.server.Close(); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = op
	struck := make(chan struct{})
	close(struck)
	return struck
}

// called notes that a call begins: a login that runs out does so before each
// call that has the HIS for itself.
func (w *world) called() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s, ok := w.handler.(forgetful); ok && w.calls == 0 {
		s.EndToken()
	}
	w.calls++
}

// ended notes that a call of op ended, and brings the server back when it was
// down for it.
func (w *world) ended(op adaptertest.Op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls--
	if w.down != op {
		return
	}
	w.down = ""
	if err := w.server.Open(); err != nil {
		panic(err)
	}
}

// forgetful is a SOAP whose tokens run out all the time.
type forgetful struct{ *legacyhis.SOAP }

// open asks a dialect through its mapping file.
func (d dialect) open(t *testing.T) (*world, hisadapter.Driver) {
	t.Helper()
	return d.openOver(t, nil)
}

// openOver asks a dialect over a network of its own; nil is the real one.
func (d dialect) openOver(t *testing.T, network http.RoundTripper) (*world, hisadapter.Driver) {
	t.Helper()
	clock := simhand.NewClock()
	cfg := d.his
	if cfg.Now = clock.Now; cfg.Capabilities.BatchSize == 0 {
		cfg.Capabilities = d.caps
	}
	his := openHIS(t, cfg)
	h := d.serve(his)
	server, err := simhis.Serve(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{Hand: simhand.Hand{HIS: his, Clock: clock, Has: d.fixture}, server: server, handler: h}
	return w, watched{d.driver(t, httphis.Options{BaseURL: server.URL(), Transport: network}), w}
}

// driver is that of the mapping as a hospital has it, but for the address.
func (d dialect) driver(t *testing.T, o httphis.Options) *httphis.Driver {
	t.Helper()
	for k, v := range d.env {
		t.Setenv(k, v)
	}
	driver, err := httphis.New(d.loaded, d.caps, o)
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

// watched tells the world when a call begins and ends.
type watched struct {
	hisadapter.Driver
	w *world
}

func (d watched) QueryStock(ctx context.Context, keys []hisadapter.Key) ([]hisadapter.Reading, error) {
	d.w.called()
	defer d.w.ended(adaptertest.QueryStock)
	return d.Driver.QueryStock(ctx, keys)
}

func (d watched) Freeze(ctx context.Context, q hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	d.w.called()
	defer d.w.ended(adaptertest.Freeze)
	return d.Driver.Freeze(ctx, q)
}

func (d watched) Unfreeze(ctx context.Context, q hisadapter.UnfreezeRequest) error {
	d.w.called()
	defer d.w.ended(adaptertest.Unfreeze)
	return d.Driver.Unfreeze(ctx, q)
}

func (d watched) PlaceOrder(ctx context.Context, q hisadapter.PlaceOrderRequest) (hisadapter.HISOrder, error) {
	d.w.called()
	defer d.w.ended(adaptertest.PlaceOrder)
	return d.Driver.PlaceOrder(ctx, q)
}

func (d watched) FindOrder(ctx context.Context, hisNo string) (hisadapter.Found, error) {
	d.w.called()
	defer d.w.ended(adaptertest.FindOrder)
	return d.Driver.FindOrder(ctx, hisNo)
}

func (d watched) CancelOrder(ctx context.Context, hisNo, hisOrderNo string) error {
	d.w.called()
	defer d.w.ended(adaptertest.CancelOrder)
	return d.Driver.CancelOrder(ctx, hisNo, hisOrderNo)
}

// The whole contract, through each dialect. No caller may ever have been
// misunderstood: a HIS that answers "bad signature" and is asked again would
// hide a broken mapping.
func TestDialects(t *testing.T) {
	examples, err := filepath.Glob("../../examples/his/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	run := map[string]bool{}
	for _, d := range dialects(t) {
		run[d.mapping] = true
	}
	for _, file := range examples {
		if !run[filepath.Base(file)] {
			t.Errorf("%s is an example that nobody runs", file)
		}
	}
	for name, d := range dialects(t) {
		t.Run(name, func(t *testing.T) {
			adaptertest.Run(t, func(t *testing.T) (hisadapter.Driver, adaptertest.Control) {
				w, driver := d.open(t)
				t.Cleanup(func() {
					n := w.handler.Counters()
					if n.BadSignatures+n.BadCharsets+n.BadRequests+n.BadLogins+n.Replays > 0 {
						t.Errorf("the HIS did not understand its caller: %+v", n)
					}
				})
				return driver, w
			})
		})
	}
}
