package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// restConn makes calls over REST look like calls over gRPC, by the routes of the
// .proto files, so that one suite holds both.
type restConn struct {
	base   string
	client *http.Client
}

func (c restConn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "streams are tried elsewhere")
}

func (c restConn) Invoke(ctx context.Context, method string, req, reply any, _ ...grpc.CallOption) error {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	if err != nil {
		return err
	}
	rule, _ := proto.GetExtension(d.Options(), annotations.E_Http).(*annotations.HttpRule)
	msg := req.(proto.Message).ProtoReflect()
	verb, path, query := http.MethodPost, rule.GetPost(), url.Values{}
	var body []byte
	if path == "" {
		verb, path = http.MethodGet, rule.GetGet()
	} else if body, err = (protojson.MarshalOptions{UseProtoNames: true}).Marshal(msg.Interface()); err != nil {
		return err
	}
	fields := msg.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		variable := "{" + string(f.Name()) + "}"
		switch {
		case strings.Contains(path, variable):
			path = strings.ReplaceAll(path, variable, url.PathEscape(msg.Get(f).String()))
		case verb == http.MethodPost || !msg.Has(f):
		case f.IsList():
			for j := range msg.Get(f).List().Len() {
				query.Add(string(f.Name()), fmt.Sprint(msg.Get(f).List().Get(j).Interface()))
			}
		default:
			query.Set(string(f.Name()), fmt.Sprint(msg.Get(f).Interface()))
		}
	}
	r, err := http.NewRequestWithContext(ctx, verb, c.base+path+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode == http.StatusOK {
		return protojson.Unmarshal(data, reply.(proto.Message))
	}
	s := &spb.Status{}
	if err := protojson.Unmarshal(data, s); err != nil {
		return fmt.Errorf("%d %q: %w", res.StatusCode, data, err)
	}
	if (codes.Code(s.GetCode()) == codes.Unavailable) != (res.Header.Get("Retry-After") != "") {
		return fmt.Errorf("%s with Retry-After %q", codes.Code(s.GetCode()), res.Header.Get("Retry-After"))
	}
	return status.ErrorProto(s)
}

// TestOneAPIOverGRPCAndREST tells the same story over both, and expects the same
// answers and errors.
func TestOneAPIOverGRPCAndREST(t *testing.T) {
	for _, way := range []string{"grpc", "rest"} {
		t.Run(way, func(t *testing.T) {
			w := newWorld(t, newFakePay())
			var conn grpc.ClientConnInterface = w.conn
			if way == "rest" {
				conn = restConn{w.rest.URL, w.rest.Client()}
			}
			probeStock(t, conn)
			probeLocks(t, w, conn)
			probeOrders(t, w, conn)
			probeOps(t, conn)
			probeReconciliation(t, conn)
		})
	}
}

// want holds an error against its code and reason; both empty = no error.
func want(t *testing.T, err error, code codes.Code, reason string) *status.Status {
	t.Helper()
	s := status.Convert(err)
	got := ""
	zh := false
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			got = d.GetReason()
			if d.GetDomain() != "hisgate" {
				t.Errorf("domain %q", d.GetDomain())
			}
		case *errdetails.LocalizedMessage:
			zh = zh || d.GetLocale() == "zh-CN" && d.GetMessage() != ""
		}
	}
	if s.Code() != code || got != reason {
		t.Fatalf("%s %s (%s), want %s %s", s.Code(), got, s.Message(), code, reason)
	}
	if code != codes.OK && !zh {
		t.Errorf("%s without Chinese words", reason)
	}
	return s
}

func probeStock(t *testing.T, conn grpc.ClientConnInterface) {
	t.Helper()
	c, ctx := hisgatev1.NewStockServiceClient(conn), t.Context()
	s, err := c.GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "A/B:1", Freshness: hisgatev1.GetStockRequest_LIVE})
	want(t, err, codes.OK, "")
	if s.GetAvailable() != 5 || s.GetSource() != hisgatev1.Stock_LIVE || s.GetAsOf() == nil {
		t.Errorf("stock %v", s)
	}
	_, err = c.GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "NONE"})
	want(t, err, codes.NotFound, "UNKNOWN_DRUG")
	_, err = c.GetStock(ctx, &hisgatev1.GetStockRequest{DrugId: "NONE"})
	s2 := want(t, err, codes.InvalidArgument, "INVALID_FIELD")
	for _, d := range s2.Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok && bad.GetFieldViolations()[0].GetField() != "pharmacy_id" {
			t.Errorf("violation of %v", bad)
		}
	}
	batch, err := c.BatchGetStock(ctx, &hisgatev1.BatchGetStockRequest{Keys: []*hisgatev1.StockKey{
		{PharmacyId: pharmacy, DrugId: "NONE"}, {PharmacyId: pharmacy, DrugId: "00010041"},
	}})
	want(t, err, codes.OK, "")
	if r := batch.GetResults(); len(r) != 2 || r[0].GetError().GetCode() != int32(codes.NotFound) || r[1].GetStock().GetAvailable() != 1000 {
		t.Errorf("batch %v", batch)
	}
	n := int64(7)
	change := &hisgatev1.ReportStockChangeRequest{Changes: []*hisgatev1.StockChange{
		{PharmacyId: pharmacy, DrugId: "A/B:1", OnHand: &n, Sequence: proto.Int64(3)},
		{PharmacyId: pharmacy, DrugId: "A/B:1", OnHand: &n, Sequence: proto.Int64(2)},
	}}
	told, err := c.ReportStockChange(ctx, change)
	want(t, err, codes.OK, "")
	if told.GetApplied() != 1 || told.GetDropped() != 1 {
		t.Errorf("changes: %v", told)
	}
	if s, err = c.GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: "A/B:1"}); err != nil || s.GetSource() != hisgatev1.Stock_PUSHED || s.GetOnHand() != 7 {
		t.Errorf("after the push: %v, %v", s, err)
	}
}

func probeLocks(t *testing.T, w *world, conn grpc.ClientConnInterface) {
	t.Helper()
	c, ctx := hisgatev1.NewLockServiceClient(conn), t.Context()
	lock := func(no, drug string, n int64) *hisgatev1.LockRequest {
		return &hisgatev1.LockRequest{OrderNo: no, PharmacyId: pharmacy, Items: []*hisgatev1.LockItem{{DrugId: drug, Quantity: n}}, Attributes: map[string]string{"rx_no": "CF1"}}
	}
	l, err := c.Lock(ctx, lock("L1", "00010041", 30))
	want(t, err, codes.OK, "")
	if l.GetStatus() != hisgatev1.Lock_LOCKED || l.GetAttempt() != 1 || l.GetHisNo() != "L1" || l.GetEtag() == "" || l.GetExpireTime() == nil ||
		l.GetItems()[0].GetQuantity() != 30 || l.GetPrincipal() != "local" || len(l.GetHistory()) == 0 || l.GetAttributes()["rx_no"] != "CF1" {
		t.Errorf("lock %v", l)
	}
	_, err = c.Lock(ctx, lock("L1", "00010041", 30))
	want(t, err, codes.OK, "")
	_, err = c.Lock(ctx, lock("L1", "00010041", 31))
	want(t, err, codes.AlreadyExists, "ORDER_NO_REUSED")
	_, err = c.Lock(ctx, lock("L2", "00010041", 971))
	s := want(t, err, codes.FailedPrecondition, "STOCK_INSUFFICIENT")
	found := false
	for _, d := range s.Details() {
		if short, ok := d.(*hisgatev1.Shortages); ok {
			found = true
			if x := short.GetShortages()[0]; x.GetDrugId() != "00010041" || x.GetRequested() != 971 || x.GetAvailable() != 970 {
				t.Errorf("shortage %v", x)
			}
		}
	}
	if !found {
		t.Error("no Shortages")
	}
	_, err = c.Lock(ctx, lock("L3", "BOX", 25))
	want(t, err, codes.FailedPrecondition, "NOT_DIVISIBLE")
	_, err = c.Lock(ctx, lock("L4", "NONE", 1))
	want(t, err, codes.FailedPrecondition, "UNKNOWN_DRUG")
	_, err = c.Confirm(ctx, &hisgatev1.ConfirmRequest{OrderNo: "NONE"})
	want(t, err, codes.NotFound, "NOT_FOUND")

	l, err = c.Confirm(ctx, &hisgatev1.ConfirmRequest{OrderNo: "L1", RxNo: "CF2", Payment: &hisgatev1.PaymentReference{TransactionId: "T1", DrugsFen: 100}})
	want(t, err, codes.OK, "")
	if l.GetStatus() != hisgatev1.Lock_CONFIRMED || l.GetHisOrderNo() == "" || l.GetPayment().GetTransactionId() != "T1" {
		t.Errorf("confirmed %v", l)
	}
	_, err = c.Release(ctx, &hisgatev1.ReleaseRequest{OrderNo: "L1"})
	want(t, err, codes.FailedPrecondition, "ALREADY_CONFIRMED")
	_, err = c.Release(ctx, &hisgatev1.ReleaseRequest{OrderNo: "L9"})
	want(t, err, codes.OK, "")
	_, err = c.Lock(ctx, lock("L9", "00010041", 1))
	want(t, err, codes.FailedPrecondition, "LOCK_ENDED")

	if _, err := w.his.Inject(simhis.Fault{What: simhis.Down}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Lock(ctx, lock("L5", "00010041", 1))
	want(t, err, codes.Unavailable, "HIS_UNAVAILABLE")
	w.his.ClearFaults()
	page, err := c.ListLocks(ctx, &hisgatev1.ListLocksRequest{Status: []hisgatev1.Lock_Status{hisgatev1.Lock_CONFIRMED}, PharmacyId: pharmacy, PageSize: 5})
	want(t, err, codes.OK, "")
	if len(page.GetLocks()) != 1 || page.GetLocks()[0].GetOrderNo() != "L1" {
		t.Errorf("page %v", page)
	}
	_, err = c.ListLocks(ctx, &hisgatev1.ListLocksRequest{PageToken: "%%"})
	want(t, err, codes.InvalidArgument, "INVALID_FIELD")
}

func probeOrders(t *testing.T, w *world, conn grpc.ClientConnInterface) {
	t.Helper()
	c, ctx := hisgatev1.NewOrderServiceClient(conn), t.Context()
	create := &hisgatev1.CreateOrderRequest{
		OrderNo: "RX000001", PharmacyId: pharmacy, Items: []*hisgatev1.OrderItem{{DrugId: "00010041", Quantity: 30}},
		Payment: &hisgatev1.PaymentSpec{Method: hisgatev1.Payment_JSAPI, PayerOpenid: "o1", Description: "药费"},
	}
	o, err := c.CreateOrder(ctx, create)
	want(t, err, codes.OK, "")
	if o.GetStrategy() != hisgatev1.Order_RESERVE || o.GetNext() != hisgatev1.Order_PAY || o.GetStatus() != hisgatev1.Order_AWAITING_PAYMENT ||
		o.GetAmount().GetTotalFen() != 100 || o.GetPayment().GetInvoke()["package"] != "prepay_id=wxPREPAY" || o.GetPayment().GetAppid() != "wx1" {
		t.Errorf("order %v", o)
	}
	_, err = c.CancelOrder(ctx, &hisgatev1.CancelOrderRequest{OrderNo: "RX000001", Etag: "0"})
	want(t, err, codes.Aborted, "ETAG_MISMATCH")
	w.pay.pay("RX000001", 100)
	if _, err = c.SyncOrder(ctx, &hisgatev1.SyncOrderRequest{OrderNo: "RX000001"}); err != nil {
		want(t, err, codes.OK, "")
	}
	watch := orderAt(t, w, "RX000001", hisgatev1.Order_FULFILLED)
	if watch.GetHisOrderNo() == "" || watch.GetTransactionId() != "TRX000001" {
		t.Errorf("fulfilled: %v", watch)
	}
	_, err = c.CancelOrder(ctx, &hisgatev1.CancelOrderRequest{OrderNo: "RX000001"})
	want(t, err, codes.FailedPrecondition, "ALREADY_PAID")
	refund := &hisgatev1.RefundOrderRequest{OrderNo: "RX000001", AmountFen: 40, Reason: "少发", RequestId: "q1"}
	_, err = c.RefundOrder(ctx, refund)
	want(t, err, codes.FailedPrecondition, "FULFILLED_REFUND")
	refund.Fulfilled = true
	_, err = c.RefundOrder(ctx, refund)
	want(t, err, codes.OK, "")
	_, err = c.GetOrder(ctx, &hisgatev1.GetOrderRequest{OrderNo: "RX999999"})
	want(t, err, codes.NotFound, "NOT_FOUND")

	short := proto.Clone(create).(*hisgatev1.CreateOrderRequest)
	short.OrderNo, short.Items[0].Quantity = "RX000002", 5000
	for range 2 { // the same error again
		_, err = c.CreateOrder(ctx, short)
		want(t, err, codes.FailedPrecondition, "STOCK_INSUFFICIENT")
	}
	dear := proto.Clone(create).(*hisgatev1.CreateOrderRequest)
	dear.OrderNo, dear.Amount = "RX000003", &hisgatev1.Amount{DrugsFen: 99, TotalFen: 99}
	_, err = c.CreateOrder(ctx, dear)
	want(t, err, codes.FailedPrecondition, "PRICE_CHANGED")
	a, err := c.CheckOrder(ctx, &hisgatev1.CheckOrderRequest{PharmacyId: pharmacy, Items: []*hisgatev1.OrderItem{
		{DrugId: "00010041", Quantity: 5000}, {DrugId: "BOX", Quantity: 24},
	}})
	want(t, err, codes.OK, "")
	if a.GetPayable() || len(a.GetLines()) != 2 || a.GetLines()[0].GetResult() != hisgatev1.CheckOrderResponse_INSUFFICIENT || a.GetLines()[1].GetResult() != hisgatev1.CheckOrderResponse_OK {
		t.Errorf("check %v", a)
	}
	list, err := c.ListOrders(ctx, &hisgatev1.ListOrdersRequest{Status: []hisgatev1.Order_Status{hisgatev1.Order_FULFILLED}})
	want(t, err, codes.OK, "")
	if len(list.GetOrders()) != 1 {
		t.Errorf("orders %v", list)
	}
}

func probeOps(t *testing.T, conn grpc.ClientConnInterface) {
	t.Helper()
	c, ctx := hisgatev1.NewOpsServiceClient(conn), t.Context()
	g, err := c.GetGuardState(ctx, &hisgatev1.GetGuardStateRequest{})
	want(t, err, codes.OK, "")
	if g.GetBreaker() == hisgatev1.GuardState_BREAKER_UNSPECIFIED || len(g.GetClasses()) != 6 {
		t.Errorf("guard %v", g)
	}
	if k := g.GetCache(); k.GetDegraded() || k.GetAnswers()["LIVE"] == 0 || k.GetLoads() == 0 || k.GetWaiters() == 0 || k.GetKeys() == 0 || k.GetMeanAge() == nil {
		t.Errorf("cache %v", k)
	}
	brake, err := c.GetRefundBrake(ctx, &hisgatev1.GetRefundBrakeRequest{})
	want(t, err, codes.OK, "")
	_, err = c.ResumeRefunds(ctx, &hisgatev1.ResumeRefundsRequest{Etag: brake.GetEtag() + "0", RequestId: "r1"})
	want(t, err, codes.Aborted, "ETAG_MISMATCH")
	_, err = c.ResumeRefunds(ctx, &hisgatev1.ResumeRefundsRequest{Etag: brake.GetEtag(), RequestId: "r1"})
	want(t, err, codes.OK, "")
	_, err = c.ResumeRefunds(ctx, &hisgatev1.ResumeRefundsRequest{Etag: brake.GetEtag(), RequestId: "r1", Note: "other"})
	want(t, err, codes.InvalidArgument, "REQUEST_REUSED")
	proof, err := c.Proof(ctx, &hisgatev1.ProofRequest{})
	want(t, err, codes.OK, "")
	if proof.GetUnprovenCount() != 0 {
		t.Errorf("proof %v", proof)
	}
	e, err := c.Explain(ctx, &hisgatev1.ExplainRequest{OrderNo: "RX000001"})
	want(t, err, codes.OK, "")
	topics := map[string]bool{}
	for _, l := range e.GetLines() {
		topics[l.GetTopic()] = true
	}
	if !topics["order"] || !topics["lock"] || len(e.GetLocks()) != 1 || e.GetNow().GetZh() == "" || e.GetOrder().GetPayment().GetPayerOpenid() != "***" {
		t.Errorf("explanation %v", e)
	}
	e, err = c.Explain(ctx, &hisgatev1.ExplainRequest{OrderNo: "L1"})
	want(t, err, codes.OK, "")
	if e.GetOrder() != nil || len(e.GetLocks()) != 1 || e.GetNow().GetEn() == "" {
		t.Errorf("explanation of a lock %v", e)
	}
	_, err = c.Explain(ctx, &hisgatev1.ExplainRequest{OrderNo: "NONE"})
	want(t, err, codes.NotFound, "NOT_FOUND")
	_, err = c.GetCase(ctx, &hisgatev1.GetCaseRequest{CaseId: "NONE.1"})
	want(t, err, codes.NotFound, "NOT_FOUND")
	_, err = c.GetCase(ctx, &hisgatev1.GetCaseRequest{CaseId: "lock:L1:1"})
	want(t, err, codes.NotFound, "NOT_FOUND")
}

// probeReconciliation compares a day whose bill has a payment that nobody knows.
func probeReconciliation(t *testing.T, conn grpc.ClientConnInterface) {
	t.Helper()
	c, ctx := hisgatev1.NewOpsServiceClient(conn), t.Context()
	day := func(n int) string {
		return time.Now().In(time.FixedZone("", 8*60*60)).AddDate(0, 0, n).Format(time.DateOnly)
	}
	for _, bad := range []string{day(0), day(1), day(-100), "2026-13-01", "yesterday"} {
		_, err := c.RunReconciliation(ctx, &hisgatev1.RunReconciliationRequest{Date: bad})
		want(t, err, codes.InvalidArgument, "INVALID_FIELD")
	}
	_, err := c.GetReconciliation(ctx, &hisgatev1.GetReconciliationRequest{Date: day(-50)})
	want(t, err, codes.NotFound, "NOT_FOUND")
	r, err := c.RunReconciliation(ctx, &hisgatev1.RunReconciliationRequest{Date: day(-3)})
	want(t, err, codes.OK, "")
	if r.GetStatus() != hisgatev1.Reconciliation_DONE || r.GetOpenDifferences() != 1 || r.GetActor() == "" || r.GetBillPayments().GetAmountFen() != 500 ||
		r.GetSummary().GetZh() == "" || len(r.GetNotCompared()) != 1 || r.GetNotCompared()[0].GetWhat() != "HIS_ORDERS" {
		t.Fatalf("report %v", r)
	}
	d := r.GetDifferences()[0]
	if d.GetKind() != "UNKNOWN_PAYMENT" || d.GetTransactionId() != "TSTRANGER-1" || d.GetTheirsFen() != 500 || d.GetCaseId() == "" {
		t.Fatalf("difference %v", d)
	}
	got, err := c.GetReconciliation(ctx, &hisgatev1.GetReconciliationRequest{Date: day(-3)})
	want(t, err, codes.OK, "")
	if !proto.Equal(got, r) {
		t.Errorf("got %v, want %v", got, r)
	}
	list, err := c.ListReconciliations(ctx, &hisgatev1.ListReconciliationsRequest{})
	want(t, err, codes.OK, "")
	if l := list.GetReconciliations(); len(l) != 1 || len(l[0].GetDifferences()) != 0 || l[0].GetOpenDifferences() != 1 {
		t.Errorf("list %v", list)
	}
	one, err := c.GetCase(ctx, &hisgatev1.GetCaseRequest{CaseId: d.GetCaseId()})
	want(t, err, codes.OK, "")
	_, err = c.SettleCase(ctx, &hisgatev1.SettleCaseRequest{CaseId: d.GetCaseId(), Etag: one.GetEtag(), RequestId: "s1"})
	want(t, err, codes.InvalidArgument, "INVALID_FIELD") // without a note
	one, err = c.SettleCase(ctx, &hisgatev1.SettleCaseRequest{CaseId: d.GetCaseId(), Etag: one.GetEtag(), RequestId: "s1", Note: "the canteen's"})
	want(t, err, codes.OK, "")
	if one.GetStatus() != hisgatev1.Case_CLOSED {
		t.Errorf("settled %v", one)
	}
}

// orderAt watches an order until it stands where it should.
func orderAt(t *testing.T, w *world, no string, at hisgatev1.Order_Status) *hisgatev1.Order {
	t.Helper()
	stream, err := hisgatev1.NewOrderServiceClient(w.conn).WatchOrder(t.Context(), &hisgatev1.WatchOrderRequest{OrderNo: no})
	if err != nil {
		t.Fatal(err)
	}
	for {
		o, err := stream.Recv()
		if err != nil {
			t.Fatalf("%s never came to %s: %v", no, at, err)
		}
		if o.GetStatus() == at {
			return o
		}
	}
}

// lockWithCase makes a lock that only a person can settle.
func lockWithCase(t *testing.T, w *world, no string) {
	t.Helper()
	w.mustCall(t, "POST", "/v1/locks", lockBody(no, "00010041", 1))
	if _, err := w.his.Inject(simhis.Fault{Op: simhis.OpPlaceOrder, What: simhis.Refuse, Kind: hisadapter.PriceChanged, Times: 1, HisNo: no}); err != nil {
		t.Fatal(err)
	}
	if code, _, out := w.call(t, "POST", "/v1/locks/"+no+":confirm", ""); reasonIn(out) != "PRICE_CHANGED" {
		t.Fatalf("confirm: %d %v", code, out)
	}
}
