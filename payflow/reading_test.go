package payflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/payflow"
)

func TestCancel(t *testing.T) {
	for _, s := range strategies {
		t.Run(string(s), func(t *testing.T) {
			inHouse(t, func(h *house) {
				o := h.create("ORDER-1", s)
				var mismatch *payflow.EtagMismatchError
				if _, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{Principal: "web", OrderNo: "ORDER-1", Etag: "999"}); !errors.As(err, &mismatch) {
					t.Errorf("%v", err)
				}
				if _, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{Principal: "stranger", OrderNo: "ORDER-1"}); !errors.Is(err, payflow.ErrNotFound) {
					t.Errorf("a stranger: %v", err)
				}
				for range 2 {
					got, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{Principal: "web", OrderNo: "ORDER-1", Etag: o.Etag()})
					if err != nil || got.State != payflow.Closed || !got.Cancelled || got.EndReason != payflow.ReasonCancelled {
						t.Fatalf("%s, %v", got.State, err)
					}
				}
				synctest.Wait()
				if h.locks.left("A") != 10 || h.pay.count("close") != 1 {
					t.Errorf("left %d, closes %d", h.locks.left("A"), h.pay.count("close"))
				}
			})
		})
	}
	t.Run("before there is a payment", func(t *testing.T) {
		inHouse(t, func(h *house) {
			if _, err := h.svc.Create(h.Context(), request("ORDER-1", payflow.Hold)); err != nil {
				t.Fatal(err)
			}
			if o, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{Principal: "web", OrderNo: "ORDER-1"}); err != nil || o.State != payflow.Closed {
				t.Fatalf("%s, %v", o.State, err)
			}
			synctest.Wait()
			if h.locks.left("A") != 10 || h.pay.count("query") != 0 {
				t.Errorf("left %d", h.locks.left("A"))
			}
		})
	})
	t.Run("paid at that moment", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.create("ORDER-1", payflow.Reserve)
			h.pay.pay("ORDER-1")
			if _, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{Principal: "web", OrderNo: "ORDER-1"}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			h.is("ORDER-1", payflow.Fulfilled)
			var p *payflow.PreconditionError
			if _, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{Principal: "web", OrderNo: "ORDER-1"}); !errors.As(err, &p) || p.Reason != payflow.ReasonAlreadyPaid {
				t.Errorf("%v", err)
			}
		})
	})
}

func TestCheck(t *testing.T) {
	inHouse(t, func(h *house) {
		h.locks.mu.Lock()
		h.locks.stock["C"], h.locks.price["C"], h.locks.stopped["C"] = 5, "1", true
		h.locks.stock["D"], h.locks.price["D"], h.locks.multiple["D"] = 5, "1", 2
		h.locks.mu.Unlock()
		a, err := h.svc.Check(h.Context(), payflow.CheckRequest{PharmacyID: "P", Live: true, Items: []payflow.Item{
			{DrugID: "A", Quantity: 3, LineFen: 1000},
			{DrugID: "B", Quantity: 101},
			{DrugID: "C", Quantity: 1},
			{DrugID: "D", Quantity: 3},
			{DrugID: "E", Quantity: 1},
		}})
		if err != nil || a.Payable {
			t.Fatalf("%+v, %v", a, err)
		}
		want := []payflow.CheckResult{payflow.CheckOK, payflow.CheckInsufficient, payflow.CheckStopped, payflow.CheckNotDivisible, payflow.CheckUnknownDrug}
		for i, l := range a.Lines {
			if l.Result != want[i] {
				t.Errorf("%s: %s, want %s", l.DrugID, l.Result, want[i])
			}
		}
		if a.Lines[0].LineFen != 1000 {
			t.Errorf("%d fen", a.Lines[0].LineFen)
		}
		a, err = h.svc.Check(h.Context(), payflow.CheckRequest{PharmacyID: "P", Items: []payflow.Item{{DrugID: "A", Quantity: 3, LineFen: 999}}})
		if err != nil || a.Lines[0].Result != payflow.CheckPriceChanged || a.Payable {
			t.Errorf("%+v, %v", a, err)
		}
		h.create("ORDER-1", payflow.Reserve)
		h.locks.sell("A", 7) // nothing is left but our own 3 [A9]
		a, err = h.svc.Check(h.Context(), payflow.CheckRequest{Principal: "web", OrderNo: "ORDER-1", Live: true})
		if err != nil || !a.Payable {
			t.Errorf("%+v, %v", a, err)
		}
		if _, err := h.svc.Check(h.Context(), payflow.CheckRequest{Principal: "stranger", OrderNo: "ORDER-1"}); !errors.Is(err, payflow.ErrNotFound) {
			t.Errorf("%v", err)
		}
		h.locks.on("check_live", answer{err: payflow.ErrUnavailable})
		a, err = h.svc.Check(h.Context(), payflow.CheckRequest{OrderNo: "ORDER-1", Live: true})
		if err != nil || a.Payable || a.Lines[0].Result != payflow.CheckUnchecked {
			t.Errorf("%+v, %v", a, err)
		}
		var invalid *payflow.InvalidError
		if _, err := h.svc.Check(h.Context(), payflow.CheckRequest{PharmacyID: "P"}); !errors.As(err, &invalid) {
			t.Errorf("%v", err)
		}
	})
}

func TestList(t *testing.T) {
	inHouse(t, func(h *house) {
		h.locks.sell("A", -100)
		var all []string
		var times []time.Time
		for i := range 9 {
			no := fmt.Sprintf("ORDER-%d", i)
			h.create(no, strategies[i%4], func(r *payflow.CreateRequest) {
				if i == 8 {
					r.Principal = "other"
				}
			})
			all = append([]string{no}, all...)
			times = append(times, time.Now())
			h.wait(time.Minute)
		}
		h.callback(h.pay.pay("ORDER-0"))
		list := func(q payflow.ListQuery) []string {
			var got []string
			for {
				os, next, err := h.svc.List(h.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range os {
					got = append(got, o.No)
				}
				if q.PageToken = next; next == "" {
					return got
				}
			}
		}
		for name, tt := range map[string]struct {
			q    payflow.ListQuery
			want []string
		}{
			"all":        {payflow.ListQuery{}, all},
			"by twos":    {payflow.ListQuery{PageSize: 2}, all},
			"by nines":   {payflow.ListQuery{PageSize: 9}, all},
			"principal":  {payflow.ListQuery{Principal: "web"}, all[1:]},
			"state":      {payflow.ListQuery{States: []payflow.State{payflow.Fulfilled}}, []string{"ORDER-0"}},
			"strategy":   {payflow.ListQuery{Strategy: payflow.Hold}, []string{"ORDER-5", "ORDER-1"}},
			"pharmacy":   {payflow.ListQuery{PharmacyID: "Q"}, nil},
			"after":      {payflow.ListQuery{CreatedAfter: times[6]}, []string{"ORDER-8", "ORDER-7", "ORDER-6"}},
			"before":     {payflow.ListQuery{CreatedBefore: times[2]}, []string{"ORDER-1", "ORDER-0"}},
			"in between": {payflow.ListQuery{CreatedAfter: times[3], CreatedBefore: times[5], PageSize: 1}, []string{"ORDER-4", "ORDER-3"}},
			"never":      {payflow.ListQuery{CreatedAfter: times[5], CreatedBefore: times[3]}, nil},
		} {
			if got := list(tt.q); !slices.Equal(got, tt.want) {
				t.Errorf("%s: %v, want %v", name, got, tt.want)
			}
		}
		for name, q := range map[string]payflow.ListQuery{
			"token": {PageToken: "x"}, "foreign token": {PageToken: "aGVsbG8gd29ybGQgaGVsbG8"}, "size": {PageSize: 501}, "negative": {PageSize: -1},
		} {
			var invalid *payflow.InvalidError
			if _, _, err := h.svc.List(h.Context(), q); !errors.As(err, &invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestWatch(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		enough := errors.New("enough")
		var seen []payflow.State
		done := make(chan error)
		go func() {
			done <- h.svc.Watch(h.Context(), "web", "ORDER-1", func(o payflow.Order) error {
				seen = append(seen, o.State)
				if o.State == payflow.Fulfilled {
					return enough
				}
				return nil
			})
		}()
		synctest.Wait()
		if err := h.svc.Watch(h.Context(), "web", "ORDER-1", nil); !errors.Is(err, payflow.ErrBusy) {
			t.Errorf("watchers are not bounded: %v", err)
		}
		h.callback(h.pay.pay("ORDER-1"))
		if err := <-done; !errors.Is(err, enough) {
			t.Errorf("%v", err)
		}
		if seen[0] != payflow.AwaitingPayment || seen[len(seen)-1] != payflow.Fulfilled {
			t.Errorf("saw %v", seen)
		}
		if err := h.svc.Watch(h.Context(), "stranger", "ORDER-1", nil); !errors.Is(err, payflow.ErrNotFound) {
			t.Errorf("%v", err)
		}
		ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
		defer cancel()
		if err := h.svc.Watch(ctx, "web", "ORDER-1", func(payflow.Order) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if n := h.svc.Stats().Watchers; n != 0 {
			t.Errorf("%d watchers left", n)
		}
	}, func(s *payflow.Settings) { s.MaxWatchers = 1 })
}

func TestExplainTellsTheStoryWithoutThePatient(t *testing.T) {
	inHouse(t, func(h *house) {
		c := h.parked("ORDER-1")
		if _, err := h.svc.RefundCase(h.Context(), payflow.RefundCaseRequest{VerbRequest: verb(c, "r1")}); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		st, err := h.svc.Explain(h.Context(), "ORDER-1")
		if err != nil {
			t.Fatal(err)
		}
		all := fmt.Sprintf("%+v", st)
		if strings.Contains(all, jsapi().OpenID) {
			t.Error("the openid is told")
		}
		for i, l := range st.Lines {
			if i > 0 && l.At.Before(st.Lines[i-1].At) {
				t.Error("not in order of time")
			}
			if l.Words.ZH == "" || l.Words.EN == "" {
				t.Errorf("%+v says nothing", l)
			}
		}
		for _, want := range []string{"CREATED", "tx-ORDER-1", "E9", "ORDER-1.1", "pharmacist Li", "ORDER-1-R1", "NEEDS_ATTENTION → REFUNDING"} {
			if !strings.Contains(all, want) {
				t.Errorf("%s is not told", want)
			}
		}
		if _, err := h.svc.Explain(h.Context(), "NOBODY-1"); !errors.Is(err, payflow.ErrNotFound) {
			t.Errorf("%v", err)
		}
		// A folder that nobody works on tells the same, and what waits in the inbox.
		read, err := payflow.ReadStory(h.disk, "ORDER-1")
		if err != nil || fmt.Sprint(read.Lines) != fmt.Sprint(st.Lines) || len(read.Cases) != len(st.Cases) {
			t.Errorf("read from the disk: %+v, %v, want %+v", read, err, st)
		}
		letter, err := json.Marshal(map[string]any{
			"v": 1, "at": time.Now(), "payment": payflow.Transaction{OrderNo: "ORDER-1", TransactionID: "tx-late", State: payflow.TradeSuccess, TotalFen: 7},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.disk.Apply([]engine.Write{{Key: []byte("o/i/12345678"), Value: letter}}); err != nil {
			t.Fatal(err)
		}
		if read, err = payflow.ReadStory(h.disk, "ORDER-1"); err != nil || !strings.Contains(fmt.Sprint(read.Lines), "waits to be taken: SUCCESS, 7 fen, tx-late") {
			t.Errorf("with a letter that waits: %+v, %v", read.Lines, err)
		}
		if _, err := payflow.ReadStory(h.disk, "NOBODY-1"); !errors.Is(err, payflow.ErrNotFound) {
			t.Errorf("read of nobody: %v", err)
		}
	})
}

// B6: the owner answers for as long as the order may need its lock.
func TestB6LockOwner(t *testing.T) {
	inHouse(t, func(h *house) {
		if v := h.svc.LockOwner("NOBODY-1", 1); v.Known {
			t.Errorf("%+v for an unknown order", v)
		}
		keeps := func(no string) {
			t.Helper()
			v := h.svc.LockOwner(no, 1)
			if !v.Known || v.Release || !v.KeepUntil.After(time.Now()) {
				t.Errorf("%s is %s: %+v", no, h.get(no).State, v)
			}
		}
		o := h.create("ORDER-1", payflow.Reserve)
		keeps("ORDER-1")
		if v := h.svc.LockOwner("ORDER-1", 1); v.KeepUntil.Before(o.PayDeadline) {
			t.Errorf("kept until %v, before the pay deadline", v.KeepUntil)
		}
		for range 20 {
			h.pay.on("close", answer{err: errLost})
		}
		h.wait(time.Hour)
		h.is("ORDER-1", payflow.Closing)
		keeps("ORDER-1")
		h.wait(3 * time.Hour)
		h.is("ORDER-1", payflow.Closed)
		if v := h.svc.LockOwner("ORDER-1", 1); !v.Known || !v.Release {
			t.Errorf("%+v for a closed order", v)
		}
		h.parked("ORDER-2")
		keeps("ORDER-2")
		h.create("ORDER-3", payflow.Reserve)
		h.locks.on("confirm", answer{err: payflow.ErrPending}, answer{err: payflow.ErrPending})
		h.callback(h.pay.pay("ORDER-3"))
		h.is("ORDER-3", payflow.Paid)
		keeps("ORDER-3")
		h.wait(10 * time.Second)
		h.is("ORDER-3", payflow.Fulfilled)
		keeps("ORDER-3") // confirmed: nothing is asked, and nothing may be released
		h.locks.sell("A", -10)
		c := h.parked("ORDER-4")
		h.locks.on("release", answer{err: payflow.ErrUnavailable})
		if _, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "r"), HisOrderNo: "DJ"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if v := h.svc.LockOwner("ORDER-4", 1); !v.Known || !v.Release {
			t.Errorf("%+v for an order fulfilled by hand", v)
		}
	})
}

// Switching payment off leaves nothing unseen: what is under way can be told.
func TestPaymentDisabledWithOrdersUnderWay(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("ORDER-1", payflow.Reserve)
		h.parked("ORDER-2")
		h.paid("ORDER-3", payflow.Reserve)
		h.is("ORDER-3", payflow.Fulfilled)
		if n := h.svc.Unworked(); n != 0 {
			t.Errorf("%d unworked with payment", n)
		}
		svc, err := payflow.Open(h.Context(), payflow.Options{Committer: h.committer, Locks: h.locks, Settings: h.set})
		if err != nil {
			t.Fatal(err)
		}
		if n := svc.Unworked(); n != 2 {
			t.Errorf("%d unworked, want 2", n)
		}
	})
}

func TestPaymentDisabled(t *testing.T) {
	inHouse(t, func(h *house) {
		svc, err := payflow.Open(h.Context(), payflow.Options{Committer: h.committer, Locks: h.locks, Settings: h.set})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(h.Context())
		ended := make(chan error)
		go func() { ended <- svc.Run(ctx) }()
		for name, call := range map[string]func() error{
			"create": func() error { _, err := svc.Create(ctx, request("ORDER-1", payflow.Reserve)); return err },
			"prepay": func() error { _, err := svc.Prepay(ctx, payflow.PrepayRequest{OrderNo: "ORDER-1"}); return err },
			"get":    func() error { _, err := svc.Get(ctx, "", "ORDER-1"); return err },
			"sync":   func() error { _, err := svc.Sync(ctx, "", "ORDER-1"); return err },
			"list":   func() error { _, _, err := svc.List(ctx, payflow.ListQuery{}); return err },
			"cancel": func() error { _, err := svc.Cancel(ctx, payflow.CancelRequest{OrderNo: "ORDER-1"}); return err },
			"refund": func() error {
				_, err := svc.Refund(ctx, payflow.RefundRequest{OrderNo: "ORDER-1", Reason: "x", Actor: "a", RequestID: "r"})
				return err
			},
			"watch":    func() error { return svc.Watch(ctx, "", "ORDER-1", nil) },
			"callback": func() error { return svc.PaymentCallback(ctx, payflow.Callback{}) },
			"refunded": func() error { return svc.RefundCallback(ctx, payflow.Callback{}) },
			"cases":    func() error { _, _, err := svc.ListCases(ctx, payflow.CaseQuery{}); return err },
			"proof":    func() error { _, err := svc.Proof(ctx); return err },
			"explain":  func() error { _, err := svc.Explain(ctx, "ORDER-1"); return err },
		} {
			if err := call(); !errors.Is(err, payflow.ErrDisabled) {
				t.Errorf("%s: %v", name, err)
			}
		}
		a, err := svc.Check(ctx, payflow.CheckRequest{PharmacyID: "P", Items: []payflow.Item{{DrugID: "A", Quantity: 1}}})
		if err != nil || !a.Payable {
			t.Errorf("check: %+v, %v", a, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func TestRetention(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		c := h.parked("ORDER-2")
		if _, err := h.svc.MarkFulfilled(h.Context(), payflow.MarkFulfilledRequest{VerbRequest: verb(c, "r"), HisOrderNo: "DJ"}); err != nil {
			t.Fatal(err)
		}
		h.parked("ORDER-3") // waits for a person
		h.wait(9 * 24 * time.Hour)
		h.is("ORDER-1", payflow.Fulfilled)
		h.wait(2 * 24 * time.Hour)
		for _, no := range []string{"ORDER-1", "ORDER-2"} {
			if _, err := h.svc.Get(h.Context(), "", no); !errors.Is(err, payflow.ErrNotFound) {
				t.Errorf("%s: %v", no, err)
			}
		}
		if _, err := h.svc.GetCase(h.Context(), c.ID); !errors.Is(err, payflow.ErrNotFound) {
			t.Errorf("case: %v", err)
		}
		h.is("ORDER-3", payflow.NeedsAttention)
		left := map[string]int{}
		if err := h.disk.Scan(nil, nil, func(key, _ []byte) error {
			left[string(key[:min(len(key), 4)])]++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if want := map[string]int{"o/a/": 1, "o/c/": 1, "o/q/": 8, "o/s": 1, "o/t/": 1, "o/y/": 1}; fmt.Sprint(left) != fmt.Sprint(want) {
			t.Errorf("left on disk %v, want %v", left, want)
		}
	}, func(s *payflow.Settings) { s.Retention = 10 * 24 * time.Hour })
}

func TestMessagesInBothLanguages(t *testing.T) {
	for _, s := range []payflow.State{
		payflow.Created, payflow.Locked, payflow.AwaitingPayment, payflow.Closing, payflow.Closed, payflow.Rejected,
		payflow.Paid, payflow.Fulfilled, payflow.Refunding, payflow.Refunded, payflow.NeedsAttention,
	} {
		for _, g := range strategies {
			if w := (payflow.Order{State: s, Strategy: g}).Message(); w.ZH == "" || w.EN == "" {
				t.Errorf("%s: %+v", s, w)
			} else if s.ZH() == string(s) {
				t.Errorf("%s has no name in Chinese", s)
			}
		}
	}
}
