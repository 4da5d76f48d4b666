package gatewaylocks_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/gatewaylocks"
	"github.com/hisgate/hisgate/payflow/wechat"
	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// hospital is everything at once: orders, stock half, a simulated HIS and a simulated WeChat Pay, in a bubble of its own time.
type hospital struct {
	*testing.T
	his    *simhis.HIS
	wechat *wechatsim.Sim
	gw     *gateway.Gateway
	orders *payflow.Service
}

var billKeys = sync.OnceValues(wechatsim.GenerateKeys)

func inHospital(t *testing.T, freeze bool, f func(h *hospital)) {
	keys, err := billKeys()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		h := &hospital{T: t}
		caps := hisadapter.Capabilities{
			Freeze: freeze, NetFigure: freeze, DeductNeedsFreeze: freeze, Find: true, Cancel: true, List: true,
			IdempotentByHisNo: true, AtomicItems: true, BatchSize: 20,
		}
		var err error
		h.his, err = simhis.New(simhis.Config{Capabilities: caps, Catalogue: simhis.Catalogue{
			Drugs: []simhis.Drug{{ID: "A", Facts: hisadapter.Facts{Name: "甲硝唑片", Unit: "片", Price: "1.00", PricePer: 1}}},
			Stock: []simhis.Stock{{Key: hisadapter.Key{PharmacyID: "P", DrugID: "A"}, OnHand: 1000}},
		}})
		must(err)
		h.wechat, err = wechatsim.New(wechatsim.Options{MchID: "1900000109", AppIDs: []string{"wx1"}, Keys: keys, Seed: 1})
		must(err)
		defer h.wechat.Close()
		ctx, cancel := context.WithCancel(context.Background())
		channel, err := wechat.New(ctx, wechat.Options{
			MchID: "1900000109", AppIDs: []string{"wx1"}, MerchantSerial: keys.MerchantSerial, MerchantKeyPEM: []byte(keys.MerchantPrivateKey),
			APIv3Key: keys.APIv3Key, PublicKeyID: keys.PublicKeyID, PublicKeyPEM: []byte(keys.PublicKey),
			NotifyURL: "https://hospital.example/wechat/v1/payment", HTTP: h.wechat.RoundTripper(), BillDir: t.TempDir(),
		})
		must(err)
		his, err := guard.New(h.his.Driver(), guard.DefaultSettings(), guard.Deps{})
		must(err)
		committer := engine.NewCommitter(memengine.New(memengine.Options{}), engine.CommitterOptions{})
		settings := gateway.DefaultSettings()
		ledger, err := lockstore.Open(ctx, lockstore.Options{Committer: committer, Policy: gateway.Policy(caps, settings)})
		must(err)
		h.gw, err = gateway.Open(gateway.Options{HIS: his, Ledger: ledger, Settings: settings})
		must(err)
		h.orders, err = payflow.Open(ctx, payflow.Options{
			Committer: committer, Locks: gatewaylocks.New(h.gw), Pay: channel, Bills: channel, Settings: payflow.Default(),
		})
		must(err)
		h.gw.SetOwner(gatewaylocks.NewOwner(h.orders))
		var workers sync.WaitGroup
		workers.Go(func() { _ = h.gw.Run(ctx) })
		workers.Go(func() { _ = h.orders.Run(ctx) })
		defer func() {
			cancel()
			workers.Wait()
			h.gw.Close(context.Background())
			_ = ledger.Close()
			_ = committer.Close()
		}()
		f(h)
	})
}

// bought makes an order of 3 units that is paid and fulfilled; no callback reaches us.
func (h *hospital) bought(no string) payflow.Order {
	h.Helper()
	if _, err := h.orders.Create(h.Context(), payflow.CreateRequest{
		Principal: "web", OrderNo: no, Strategy: payflow.Reserve, PharmacyID: "P", Items: []payflow.Item{{DrugID: "A", Quantity: 3}},
		Payment: &payflow.PaymentTerms{Method: payflow.JSAPI, AppID: "wx1", OpenID: "oUpF8uMuAJO", Description: "药费"},
	}); err != nil {
		h.Fatal(err)
	}
	if _, err := h.wechat.Pay(h.Context(), no); err != nil {
		h.Fatal(err)
	}
	time.Sleep(time.Minute)
	o, err := h.orders.Get(h.Context(), "", no)
	if err != nil || o.State != payflow.Fulfilled {
		h.Fatalf("%s is %s, %v", no, o.State, err)
	}
	return o
}

// report is that of the first day, at half past ten of the second.
func (h *hospital) report() payflow.Reconciliation {
	h.Helper()
	time.Sleep(26*time.Hour + 30*time.Minute)
	r, err := h.orders.GetReconciliation(h.Context(), "2000-01-01")
	if err != nil || r.Status != payflow.ReconciliationDone {
		h.Fatalf("%+v, %v", r, err)
	}
	return r
}

// TestADayOfAHospital compares WeChat's own bill, the orders and the HIS's own list.
func TestADayOfAHospital(t *testing.T) {
	for _, freeze := range []bool{true, false} {
		t.Run(fmt.Sprintf("freeze=%t", freeze), func(t *testing.T) {
			inHospital(t, freeze, func(h *hospital) {
				for i := range 5 {
					h.bought(fmt.Sprintf("ORDER-%d", i))
				}
				// One was cancelled in the HIS, one refunded in the merchant console, one made in the HIS by somebody else, and
				// one belongs to a caller of the stock half.
				gone := h.bought("ORDER-GONE")
				if err := h.his.Driver().CancelOrder(h.Context(), gone.Lock.HisNo, gone.HisOrderNo); err != nil {
					t.Fatal(err)
				}
				h.bought("ORDER-CONSOLE")
				if _, err := h.wechat.Refund(h.Context(), "ORDER-CONSOLE", 100, "退差价"); err != nil {
					t.Fatal(err)
				}
				strange := hisadapter.PlaceOrderRequest{HisNo: "STRANGE", PharmacyID: "P", Lines: []hisadapter.Line{{DrugID: "A", Quantity: 1}}}
				if freeze {
					got, err := h.his.Driver().Freeze(h.Context(), hisadapter.FreezeRequest{HisNo: "STRANGE", PharmacyID: "P", Lines: strange.Lines})
					if err != nil {
						t.Fatal(err)
					}
					strange.LockID = got.LockID
				}
				if _, err := h.his.Driver().PlaceOrder(h.Context(), strange); err != nil {
					t.Fatal(err)
				}
				lock := gateway.LockRequest{Principal: "counter", OrderNo: "LOCK-1", PharmacyID: "P", Items: []lockstore.Item{{DrugID: "A", Quantity: 1}}}
				if _, err := h.gw.Lock(h.Context(), lock); err != nil {
					t.Fatal(err)
				}
				if _, err := h.gw.Confirm(h.Context(), "counter", "LOCK-1", lockstore.Reference{}); err != nil {
					t.Fatal(err)
				}

				r := h.report()
				var kinds []string
				for _, d := range r.Differences {
					kinds = append(kinds, string(d.Kind)+" "+d.OrderNo)
				}
				slices.Sort(kinds)
				want := []string{"HIS_CANCELLED ORDER-GONE", "HIS_UNMATCHED STRANGE", "REFUNDED_ELSEWHERE ORDER-CONSOLE"}
				if !slices.Equal(kinds, want) {
					t.Errorf("differences %v, want %v", kinds, want)
				}
				seven := payflow.Sum{Count: 7, Fen: 2100}
				if r.Payments != seven || r.BillPayments != seven || r.BillRefunds != (payflow.Sum{Count: 1, Fen: 100}) || r.Fulfilled != seven {
					t.Errorf("sums %+v", r)
				}
				if r.Matched != 7 || r.HISMatched != 6 || r.HISCancelled != 1 || r.HISOthers != 1 || !r.HISListed {
					t.Errorf("at the HIS %+v", r)
				}
				l, err := h.gw.GetLock(h.Context(), gatewaylocks.Principal, "ORDER-GONE")
				if err != nil || l.CancelledAt.IsZero() {
					t.Errorf("the lock does not know that it was cancelled: %+v, %v", l, err)
				}
				open, _, err := h.orders.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true})
				if err != nil || len(open) != 3 {
					t.Errorf("%d cases, %v", len(open), err)
				}
				again, err := h.orders.RunReconciliation(h.Context(), "2000-01-01", "Wu")
				if err != nil || len(again.Differences) != 3 || again.Open() != 3 || again.Matched != 7 {
					t.Errorf("again: %+v, %v", again, err)
				}
				if after, _, err := h.orders.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true}); err != nil || len(after) != 3 {
					t.Errorf("%d cases after the second run, %v", len(after), err)
				}
			})
		})
	}
}
