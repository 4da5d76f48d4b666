package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// restStream is a stream over REST: one {"result": …} a line.
type restStream struct{ lines *bufio.Scanner }

func openStream(t *testing.T, ctx context.Context, url string) restStream {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s: %s", url, resp.Status, b)
	}
	return restStream{bufio.NewScanner(resp.Body)}
}

func (s restStream) next(t *testing.T, m proto.Message) proto.Message {
	t.Helper()
	for s.lines.Scan() {
		if len(strings.TrimSpace(s.lines.Text())) == 0 {
			continue
		}
		var line struct {
			Result json.RawMessage
			Error  json.RawMessage
		}
		if err := json.Unmarshal(s.lines.Bytes(), &line); err != nil || line.Error != nil {
			t.Fatalf("the stream says %s (%v)", s.lines.Text(), err)
		}
		if err := protojson.Unmarshal(line.Result, m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	t.Fatalf("the stream ended: %v", s.lines.Err())
	return nil
}

// end reads the stream to its end and returns its last line.
func (s restStream) end(t *testing.T) (last string) {
	t.Helper()
	for s.lines.Scan() {
		if line := strings.TrimSpace(s.lines.Text()); line != "" {
			last = line
		}
	}
	if err := s.lines.Err(); err != nil {
		t.Errorf("the stream broke: %v", err)
	}
	return last
}

func TestStockOverRESTAndGRPC(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	s := &hisgatev1.Stock{}
	h.get("/v1/stock/00010041?pharmacy_id=HLWYF").into(t, s)
	if s.GetDrugName() != "甲硝唑片" || s.GetPrice() != "3.3330" || s.GetPricePer() != 100 || s.GetOnHand() != 1000 || !s.GetOrderable() {
		t.Errorf("00010041 is %v", s)
	}
	// Cached: the counter's sale is not seen; LIVE sees it.
	h.sell("00010041", 200)
	h.get("/v1/stock/00010041?pharmacy_id=HLWYF").into(t, s)
	if s.GetOnHand() != 1000 || s.GetSource() != hisgatev1.Stock_CACHE {
		t.Errorf("read again within 10 s: %d, %s", s.GetOnHand(), s.GetSource())
	}
	if s := h.live("00010041"); s.GetOnHand() != 800 || s.GetSource() != hisgatev1.Stock_LIVE {
		t.Errorf("read live: %d, %s", s.GetOnHand(), s.GetSource())
	}
	// An id above 2^53 stays exact, and one bad key does not fail the others.
	batch := &hisgatev1.BatchGetStockResponse{}
	h.post("/v1/stock:batchGet", `{"keys":[{"pharmacy_id":"HLWYF","drug_id":"9007199254740993"},
		{"pharmacy_id":"HLWYF","drug_id":"nothing"},{"pharmacy_id":"HLWYF","drug_id":"00010041"}]}`).into(t, batch)
	r := batch.GetResults()
	if len(r) != 3 || r[0].GetStock().GetDrugId() != "9007199254740993" || r[0].GetStock().GetOnHand() != 12 ||
		codes.Code(r[1].GetError().GetCode()) != codes.NotFound || r[2].GetStock().GetOnHand() != 800 {
		t.Errorf("the batch is %v", batch)
	}
	h.get("/v1/stock/nothing?pharmacy_id=HLWYF").refused(t, http.StatusNotFound, hisgatev1.Reason_UNKNOWN_DRUG)
	// A push is shown, marked as one.
	h.post("/v1/stock:reportChange", `{"changes":[{"pharmacy_id":"HLWYF","drug_id":"00010041","on_hand":"750"}]}`).into(t, &hisgatev1.ReportStockChangeResponse{})
	over, err := h.stock.GetStock(t.Context(), &hisgatev1.GetStockRequest{PharmacyId: "HLWYF", DrugId: "00010041"})
	if err != nil || over.GetOnHand() != 750 || over.GetSource() != hisgatev1.Stock_PUSHED {
		t.Errorf("over gRPC after the push: %v, %v", over, err)
	}
}

func TestStockCanBeWatched(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := h.stock.WatchStock(ctx, &hisgatev1.WatchStockRequest{PharmacyId: "HLWYF", DrugIds: []string{"D1"}})
	if err != nil {
		t.Fatal(err)
	}
	rest := openStream(t, ctx, h.base+"/v1/stock:watch?pharmacy_id=HLWYF&drug_ids=D1")
	for _, next := range []func() *hisgatev1.Stock{
		func() *hisgatev1.Stock {
			m, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			return m.GetStock()
		},
		func() *hisgatev1.Stock {
			return rest.next(t, &hisgatev1.StockResult{}).(*hisgatev1.StockResult).GetStock()
		},
	} {
		no := fmt.Sprintf("WATCH-%p", next)
		left := next().GetAvailable()
		h.post("/v1/locks", lockJSON(no, "D1", 2, "60s")).lock(t)
		for got := left; got != left-2; {
			got = next().GetAvailable()
		}
		h.post("/v1/locks/"+no+":release", `{}`).lock(t)
	}
	h.audit(h.api)
}

func TestLocksOverRESTAndGRPC(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		h := openHouse(t, freeze)
		h.shelve("D1", 10)
		l := h.post("/v1/locks", `{"order_no":"RX2026112200123","pharmacy_id":"HLWYF","items":[{"drug_id":"D1","quantity":"2"},{"drug_id":"D1","quantity":"1"}],
			"ttl":"900s","attributes":{"patient_id":"P1","rx_no":"CF1"}}`).lock(t)
		if l.GetStatus() != hisgatev1.Lock_LOCKED || l.GetAttempt() != 1 || l.GetHisNo() != "RX2026112200123" || (l.GetHisLockId() != "") != freeze {
			t.Errorf("the lock is %v", l)
		}
		again := h.post("/v1/locks", lockJSON("RX2026112200123", "D1", 3, "60s")).lock(t)
		if again.GetEtag() != l.GetEtag() {
			t.Errorf("a repeat changed the lock: %v", again)
		}
		h.post("/v1/locks", lockJSON("RX2026112200123", "D1", 4, "60s")).refused(t, http.StatusConflict, hisgatev1.Reason_ORDER_NO_REUSED)
		f := h.post("/v1/locks", lockJSON("RX-SHORT", "D1", 8, "60s")).refused(t, http.StatusBadRequest, hisgatev1.Reason_STOCK_INSUFFICIENT)
		if !f.short("D1", "8", "7") {
			t.Errorf("no shortage of 8 against 7 in %+v", f)
		}
		if l := h.post("/v1/locks/RX2026112200123:confirm", `{}`).lock(t); l.GetStatus() != hisgatev1.Lock_CONFIRMED || l.GetHisOrderNo() == "" {
			t.Errorf("confirmed, the lock is %s with HIS order %q", l.GetStatus(), l.GetHisOrderNo())
		}
		h.post("/v1/locks/RX2026112200123:release", `{}`).refused(t, http.StatusBadRequest, hisgatev1.Reason_ALREADY_CONFIRMED)
		// What was short may be tried again under the same number.
		over, err := h.locks.Lock(t.Context(), &hisgatev1.LockRequest{
			OrderNo: "RX-SHORT", PharmacyId: "HLWYF", Items: []*hisgatev1.LockItem{{DrugId: "D1", Quantity: 7}},
		})
		if status.Code(err) == codes.AlreadyExists { // other items than those refused
			over, err = h.locks.Lock(t.Context(), &hisgatev1.LockRequest{
				OrderNo: "RX-SHORT2", PharmacyId: "HLWYF", Items: []*hisgatev1.LockItem{{DrugId: "D1", Quantity: 7}},
			})
		}
		if err != nil || over.GetStatus() != hisgatev1.Lock_LOCKED {
			t.Fatalf("over gRPC: %v, %v", over, err)
		}
		if over, err = h.locks.Release(t.Context(), &hisgatev1.ReleaseRequest{OrderNo: over.GetOrderNo()}); err != nil || over.GetStatus() != hisgatev1.Lock_RELEASED {
			t.Errorf("released over gRPC: %v, %v", over, err)
		}
		h.audit(h.api)
		if s := h.live("D1"); s.GetAvailable() != 7 {
			t.Errorf("%d are available, want 7", s.GetAvailable())
		}
	})
}

// A Release that overtakes its Lock leaves a tombstone, and the late Lock is
// refused.
func TestReleaseBeforeLockRefusesTheLateLock(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	l := h.post("/v1/locks/LATE-1:release", `{}`).lock(t)
	if l.GetStatus() != hisgatev1.Lock_RELEASED || l.GetCause() != hisgatev1.Lock_TOMBSTONE {
		t.Errorf("released before it was locked: %s, cause %s", l.GetStatus(), l.GetCause())
	}
	h.post("/v1/locks", lockJSON("LATE-1", "D1", 3, "60s")).refused(t, http.StatusBadRequest, hisgatev1.Reason_LOCK_ENDED)
	if s := h.live("D1"); s.GetAvailable() != 10 {
		t.Errorf("%d of 10 are available", s.GetAvailable())
	}
	h.audit(h.api)
}

// The clock releases what nobody confirmed.
func TestLockExpires(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		h := openHouse(t, freeze)
		h.shelve("D1", 10)
		h.post("/v1/locks", lockJSON("SHORT-1", "D1", 3, "1s")).lock(t)
		l := h.awaitLock("SHORT-1", hisgatev1.Lock_RELEASED)
		if l.GetCause() != hisgatev1.Lock_EXPIRED {
			t.Errorf("released, cause %s", l.GetCause())
		}
		h.post("/v1/locks/SHORT-1:confirm", `{}`).refused(t, http.StatusBadRequest, hisgatev1.Reason_LOCK_ENDED)
		h.audit(h.api)
	})
}

// The lock of an order belongs to the order: LockService sees nothing of it.
func TestLocksOfOrdersAreOutOfReach(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-OWNED", "RESERVE", "D1", 3)
	h.get("/v1/locks/E2E-OWNED").refused(t, http.StatusNotFound, hisgatev1.Reason_NOT_FOUND)
	h.post("/v1/locks/E2E-OWNED:release", `{}`).refused(t, http.StatusNotFound, hisgatev1.Reason_NOT_FOUND)
	h.post("/v1/locks/E2E-OWNED:confirm", `{}`).refused(t, http.StatusNotFound, hisgatev1.Reason_NOT_FOUND)
	h.post("/v1/locks", lockJSON("E2E-OWNED", "D1", 3, "60s")).refused(t, http.StatusConflict, hisgatev1.Reason_ORDER_NO_REUSED)
	_, err := h.locks.Release(t.Context(), &hisgatev1.ReleaseRequest{OrderNo: "E2E-OWNED"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("over gRPC: %v", err)
	}
	h.pay("E2E-OWNED")
	h.await("E2E-OWNED", hisgatev1.Order_FULFILLED)
	h.audit(h.api)
}

func TestOrderNumberReused(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	first := h.create("E2E-REUSED", "RESERVE", "D1", 3)
	if again := h.create("E2E-REUSED", "RESERVE", "D1", 3); again.GetPayment().GetPrepayId() != first.GetPayment().GetPrepayId() {
		t.Errorf("a repeat got prepay %s after %s", again.GetPayment().GetPrepayId(), first.GetPayment().GetPrepayId())
	}
	h.post("/v1/orders", orderJSON("E2E-REUSED", "RESERVE", "D1", 2)).refused(t, http.StatusConflict, hisgatev1.Reason_ORDER_NO_REUSED)
	h.post("/v1/orders", orderJSON("E2E-REUSED", "VERIFY", "D1", 3)).refused(t, http.StatusConflict, hisgatev1.Reason_ORDER_NO_REUSED)
	if s := h.live("D1"); s.GetAvailable() != 7 {
		t.Errorf("%d of 10 are available", s.GetAvailable())
	}
	h.post("/v1/orders/E2E-REUSED:cancel", `{}`).order(t)
	h.await("E2E-REUSED", hisgatev1.Order_CLOSED)
	h.audit(h.api)
}

func TestListsArePaged(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 100)
	var locks, orders []string
	for i := range 5 {
		locks, orders = append(locks, fmt.Sprintf("PAGE-%d", i)), append(orders, fmt.Sprintf("E2E-PAGE-%d", i))
		h.post("/v1/locks", lockJSON(locks[i], "D1", 1, "60s")).lock(t)
		h.create(orders[i], "VERIFY", "D1", 1)
	}
	for _, tc := range []struct {
		path string
		all  []string
		page func(answer) ([]string, string)
	}{
		{"/v1/locks?status=LOCKED&drug_id=D1&page_size=2", locks, func(a answer) (nos []string, next string) {
			r := &hisgatev1.ListLocksResponse{}
			a.into(t, r)
			for _, l := range r.GetLocks() {
				nos = append(nos, l.GetOrderNo())
			}
			return nos, r.GetNextPageToken()
		}},
		{"/v1/orders?status=AWAITING_PAYMENT&strategy=VERIFY&page_size=2", orders, func(a answer) (nos []string, next string) {
			r := &hisgatev1.ListOrdersResponse{}
			a.into(t, r)
			for _, o := range r.GetOrders() {
				nos = append(nos, o.GetOrderNo())
			}
			return nos, r.GetNextPageToken()
		}},
	} {
		var got []string
		pages := 0
		for token := ""; ; pages++ {
			nos, next := tc.page(h.get(tc.path + "&page_token=" + token))
			if len(nos) > 2 || pages > 10 {
				t.Fatalf("%s: page %d has %v", tc.path, pages, nos)
			}
			got = append(got, nos...)
			if token = next; token == "" {
				break
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, tc.all) || pages < 2 {
			t.Errorf("%s: %v in %d pages, want %v", tc.path, got, pages+1, tc.all)
		}
	}
	h.get("/v1/locks?page_token=nonsense").refused(t, http.StatusBadRequest, hisgatev1.Reason_INVALID_FIELD)
	h.get("/v1/locks?page_size=501").refused(t, http.StatusBadRequest, hisgatev1.Reason_INVALID_FIELD)
	for i := range 5 {
		h.post("/v1/locks/"+locks[i]+":release", `{}`).lock(t)
		h.post("/v1/orders/"+orders[i]+":cancel", `{}`).order(t)
		h.await(orders[i], hisgatev1.Order_CLOSED)
	}
	h.audit(h.api)
}

func TestReflectionHealthOpenAPIAndOps(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := reflectionpb.NewServerReflectionClient(h.conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	r, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range r.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	for _, want := range []string{"StockService", "LockService", "OrderService", "OpsService"} {
		if !slices.Contains(names, "hisgate.v1."+want) {
			t.Errorf("reflection lists %v without %s", names, want)
		}
	}
	up, err := healthpb.NewHealthClient(h.conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil || up.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health is %s, %v", up.GetStatus(), err)
	}
	var openapi struct{ Paths map[string]any }
	if err := json.Unmarshal(h.get("/openapi.json").body, &openapi); err != nil || openapi.Paths["/v1/stock/{drug_id}"] == nil {
		t.Errorf("/openapi.json: %v, %d paths", err, len(openapi.Paths))
	}
	h.live("00010041")
	ops := api{t: t, base: "http://" + h.program.OpsAddr}
	for path, says := range map[string]string{"/livez": "", "/readyz": "", "/metrics": "hisgate_"} {
		if got := ops.get(path); got.status != http.StatusOK || !strings.Contains(string(got.body), says) {
			t.Errorf("%s: %d %.200s", path, got.status, got.body)
		}
	}
	if got := h.get("/metrics"); got.status != http.StatusNotFound {
		t.Errorf("the API's address serves /metrics: %d", got.status)
	}
}
