package payflow_test

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
)

// house is an order service with everything around it simulated, in a bubble of
// its own time.
type house struct {
	*testing.T
	disk      *memengine.Engine
	committer *engine.Committer
	locks     *fakeLocks
	pay       *fakePay
	set       payflow.Settings
	svc       *payflow.Service
	restore   payflow.Restore
	now       func() time.Time // the service's wall clock; nil = time.Now

	stop   context.CancelFunc
	ended  chan error
	alerts struct {
		sync.Mutex
		names []string
	}
}

// inHouse runs f in a bubble, with the service open and running.
func inHouse(t *testing.T, f func(*house), tune ...func(*payflow.Settings)) {
	t.Helper()
	inDisk(t, memengine.Options{}, f, tune...)
}

func inDisk(t *testing.T, opts memengine.Options, f func(*house), tune ...func(*payflow.Settings)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &house{T: t, disk: memengine.New(opts), locks: newLocks(time.Now), pay: newPay(time.Now), set: payflow.Default()}
		h.set.MchID, h.set.CanFind = "M1", true
		for _, f := range tune {
			f(&h.set)
		}
		h.open()
		defer func() { h.close() }()
		f(h)
		h.proven()
		h.verified()
	})
}

// verified expects nothing to be found in records that the rules have made.
func (h *house) verified() {
	h.Helper()
	if _, err := payflow.VerifyRecords(h.Context(), h.disk, func(f payflow.Finding) { h.Errorf("%s: %s", f.Key, f.What) }); err != nil {
		h.Fatal(err)
	}
}

func (h *house) open() {
	h.Helper()
	h.committer = engine.NewCommitter(h.disk, engine.CommitterOptions{})
	logger := slog.New(slog.DiscardHandler)
	if os.Getenv("PAYFLOW_LOG") != "" {
		logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	svc, err := payflow.Open(h.Context(), payflow.Options{
		Committer: h.committer, Locks: h.locks, Pay: h.pay, Bills: h.pay, Settings: h.set, Logger: logger, Restore: h.restore, Now: h.now,
		Hooks: payflow.Hooks{OnAlert: func(a payflow.Alert) {
			h.alerts.Lock()
			defer h.alerts.Unlock()
			h.alerts.names = append(h.alerts.names, a.Name)
		}},
	})
	if err != nil {
		h.Fatal(err)
	}
	h.svc = svc
	ctx, stop := context.WithCancel(context.Background())
	h.stop, h.ended = stop, make(chan error, 1)
	go func() { h.ended <- svc.Run(ctx) }()
}

func (h *house) close() {
	h.stop()
	<-h.ended
	_ = h.committer.Close()
}

// crash pulls the plug and opens again.
func (h *house) crash() {
	h.Helper()
	next := h.disk.Crash()
	h.close()
	h.disk = next
	h.open()
}

// wait lets simulated time pass, until all has come to rest.
func (h *house) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// proven fails the test when an order breaks the proof obligation.
func (h *house) proven() {
	h.Helper()
	synctest.Wait()
	r, err := h.svc.Proof(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	for _, u := range r.Unproven {
		h.Errorf("unproven: %+v", u)
	}
}

func (h *house) alerted(name string) int {
	h.alerts.Lock()
	defer h.alerts.Unlock()
	n := 0
	for _, a := range h.alerts.names {
		if a == name {
			n++
		}
	}
	return n
}

func jsapi() *payflow.PaymentTerms {
	return &payflow.PaymentTerms{Method: payflow.JSAPI, AppID: "wx1", OpenID: "openid-123456", Description: "互联网医院药费"}
}

// request asks for 3 of drug A: 1000 fen.
func request(no string, s payflow.Strategy) payflow.CreateRequest {
	return payflow.CreateRequest{
		Principal: "web", OrderNo: no, Strategy: s, PharmacyID: "P",
		Items: []payflow.Item{{DrugID: "A", Quantity: 3}}, Payment: jsapi(),
	}
}

// create makes an order and, for HOLD, its prepay: a patient could pay now.
func (h *house) create(no string, s payflow.Strategy, change ...func(*payflow.CreateRequest)) payflow.Order {
	h.Helper()
	r := request(no, s)
	for _, f := range change {
		f(&r)
	}
	o, err := h.svc.Create(h.Context(), r)
	if err != nil {
		h.Fatalf("create %s: %v", no, err)
	}
	if s == payflow.Hold {
		if o, err = h.svc.Prepay(h.Context(), payflow.PrepayRequest{Principal: "web", OrderNo: no}); err != nil {
			h.Fatalf("prepay %s: %v", no, err)
		}
	}
	if o.State != payflow.AwaitingPayment || o.Next() != payflow.NextPay {
		h.Fatalf("created: %s, next %s", o.State, o.Next())
	}
	return o
}

// paid makes an order and its patient pay, with the callback.
func (h *house) paid(no string, s payflow.Strategy, change ...func(*payflow.CreateRequest)) {
	h.Helper()
	h.create(no, s, change...)
	h.callback(h.pay.pay(no))
}

func (h *house) callback(tx payflow.Transaction) {
	h.Helper()
	if err := h.svc.PaymentCallback(h.Context(), notice(tx)); err != nil {
		h.Fatalf("callback: %v", err)
	}
	synctest.Wait()
}

func (h *house) get(no string) payflow.Order {
	h.Helper()
	o, err := h.svc.Get(h.Context(), "", no)
	if err != nil {
		h.Fatalf("get %s: %v", no, err)
	}
	return o
}

// is fails the test unless the order is in the state.
func (h *house) is(no string, want payflow.State) payflow.Order {
	h.Helper()
	o := h.get(no)
	if o.State != want {
		h.Fatalf("order %s is %s, want %s; trouble %+v, cases %v, history %+v", no, o.State, want, o.Trouble, o.OpenCases, o.History)
	}
	return o
}

// onlyCase returns the single open case.
func (h *house) onlyCase(reason payflow.CaseReason) payflow.Case {
	h.Helper()
	cs, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true})
	if err != nil {
		h.Fatal(err)
	}
	if len(cs) != 1 || cs[0].Reason != reason {
		h.Fatalf("open cases %+v, want one %s", cs, reason)
	}
	if c := cs[0]; c.Owner == "" || c.Deadline.IsZero() || c.Text.ZH == "" || c.Text.EN == "" {
		h.Fatalf("case without owner, deadline or words: %+v", c)
	}
	return cs[0]
}

func (h *house) noCases() {
	h.Helper()
	cs, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true})
	if err != nil {
		h.Fatal(err)
	}
	if len(cs) > 0 {
		h.Fatalf("open cases %+v", cs)
	}
}

func verb(c payflow.Case, request string) payflow.VerbRequest {
	return payflow.VerbRequest{CaseID: c.ID, Etag: c.Etag(), RequestID: request, Actor: "pharmacist Li", Note: "looked into it"}
}
