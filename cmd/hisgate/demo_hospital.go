package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// The demo's quick time: what takes minutes at a hospital takes seconds here.
const (
	demoWindow      = 6 * time.Second // to pay
	demoLeastToPay  = time.Second
	demoRefundDelay = 300 * time.Millisecond
	demoPatience    = 30 * time.Second // after which a state that does not come is a fault
)

// hospital is one HIS, one WeChat Pay and one hisgate, joined by sockets only.
type hospital struct {
	sims    *simulators
	program *Program
	logFile *os.File
	conn    *grpc.ClientConn
	orders  hisgatev1.OrderServiceClient
	stock   hisgatev1.StockServiceClient
	locks   hisgatev1.LockServiceClient
	ops     hisgatev1.OpsServiceClient
}

// quickTime shortens the windows of a hospital to seconds.
func quickTime(s *settings) {
	s.orders.LeastToPay = demoLeastToPay
	s.orders.ReserveWindow, s.orders.HoldWindow = demoWindow, demoWindow
	s.orders.VerifyWindow, s.orders.RefundWindow = demoWindow, demoWindow
}

// openHospital starts all three; pace may be nil.
func openHospital(dir string, freeze bool, l Listen, pace func(*settings), edit ...func(*Config)) (_ *hospital, err error) {
	h := &hospital{}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	log, file, err := demoLogger(dir)
	if err != nil {
		return nil, err
	}
	h.logFile = file
	h.sims, err = startSimulators(simOptions{
		Dir: dir, HISAddr: "127.0.0.1:0", WeChatAddr: "127.0.0.1:0", Capabilities: simCapabilities(freeze),
		RefundDelay: demoRefundDelay, NotifyScale: 0.01, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	c := h.sims.config()
	c.Listen = l
	for _, f := range edit {
		f(&c)
	}
	if err := c.Validate(nil); err != nil {
		return nil, err
	}
	s := c.settings()
	if pace != nil {
		pace(&s)
	}
	if h.program, err = open(c, s, log); err != nil {
		return nil, err
	}
	h.conn, err = grpc.NewClient(h.program.GRPCAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	h.orders = hisgatev1.NewOrderServiceClient(h.conn)
	h.stock = hisgatev1.NewStockServiceClient(h.conn)
	h.locks = hisgatev1.NewLockServiceClient(h.conn)
	h.ops = hisgatev1.NewOpsServiceClient(h.conn)
	return h, nil
}

func (h *hospital) close() {
	if h.conn != nil {
		h.conn.Close()
	}
	if h.program != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.program.Close(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "hisgate: closing:", err)
		}
	}
	if h.sims != nil {
		h.sims.Close()
	}
	if h.logFile != nil {
		h.logFile.Close()
	}
}

// shelve lays a drug of its own on the shelf for one scene.
func (h *hospital) shelve(drug, name string, units int64) error {
	facts := hisadapter.Facts{Name: name, Unit: "盒", Multiple: 1, Price: "12.50", PricePer: 1}
	if err := h.sims.HIS.SetDrug(simhis.Drug{ID: drug, Facts: facts}); err != nil {
		return err
	}
	return h.sims.HIS.SetStock(h.key(drug), units)
}

func (h *hospital) key(drug string) hisadapter.Key {
	return hisadapter.Key{PharmacyID: simhis.DemoPharmacy, DrugID: drug}
}

// sell is the counter, which asks nobody. It returns how many it could hand out.
func (h *hospital) sell(drug string, units int64) (int64, error) {
	return h.sims.HIS.Counter().Sell(h.key(drug), units)
}

// read asks hisgate for the stock, as a web page would.
func (h *hospital) read(ctx context.Context, drug string) (*hisgatev1.Stock, error) {
	return h.stock.GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: simhis.DemoPharmacy, DrugId: drug})
}

// readLive asks for a figure that the HIS gives now.
func (h *hospital) readLive(ctx context.Context, drug string) (*hisgatev1.Stock, error) {
	return h.stock.GetStock(ctx, &hisgatev1.GetStockRequest{
		PharmacyId: simhis.DemoPharmacy, DrugId: drug, Freshness: hisgatev1.GetStockRequest_LIVE,
	})
}

// awaitStock reads live until so much is available: the HIS gives a freeze back a
// moment after the order is closed.
func (h *hospital) awaitStock(ctx context.Context, drug string, available int64) (*hisgatev1.Stock, error) {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := h.readLive(ctx, drug)
		if err != nil {
			return nil, fmt.Errorf("waiting for %d of drug %s: %w", available, drug, err)
		}
		if s.GetAvailable() == available {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("drug %s has %d available, not %d", drug, s.GetAvailable(), available)
		case <-tick.C:
		}
	}
}

// order places an order of units of a drug. HOLD orders name no payment yet.
func (h *hospital) order(ctx context.Context, no string, s hisgatev1.Order_Strategy, drug string, units int64) (*hisgatev1.Order, error) {
	r := &hisgatev1.CreateOrderRequest{
		OrderNo: no, Strategy: s, PharmacyId: simhis.DemoPharmacy,
		Items:      []*hisgatev1.OrderItem{{DrugId: drug, Quantity: units}},
		Attributes: map[string]string{"rx_no": "CF-" + no},
	}
	if s != hisgatev1.Order_HOLD {
		r.Payment = demoPayment()
	}
	return h.orders.CreateOrder(ctx, r)
}

func demoPayment() *hisgatev1.PaymentSpec {
	return &hisgatev1.PaymentSpec{
		Method: hisgatev1.Payment_JSAPI, Appid: simAppID, PayerOpenid: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", Description: "互联网医院药费",
	}
}

// await watches an order until it stands in one of the states.
func (h *hospital) await(ctx context.Context, no string, states ...hisgatev1.Order_Status) (*hisgatev1.Order, error) {
	return h.watch(ctx, no, fmt.Sprint(states), func(o *hisgatev1.Order) bool { return slices.Contains(states, o.GetStatus()) })
}

// awaitPay watches an order until the patient may pay: WeChat has the prepay.
func (h *hospital) awaitPay(ctx context.Context, no string) (*hisgatev1.Order, error) {
	return h.watch(ctx, no, "payable", func(o *hisgatev1.Order) bool { return o.GetNext() == hisgatev1.Order_PAY })
}

func (h *hospital) watch(ctx context.Context, no, what string, until func(*hisgatev1.Order) bool) (*hisgatev1.Order, error) {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	stream, err := h.orders.WatchOrder(ctx, &hisgatev1.WatchOrderRequest{OrderNo: no})
	if err != nil {
		return nil, err
	}
	var last *hisgatev1.Order
	for {
		o, err := stream.Recv()
		if err != nil {
			return nil, fmt.Errorf("order %s is %s and did not become %s: %w", no, last.GetStatus(), what, err)
		}
		if last = o; until(o) {
			return o, nil
		}
	}
}
