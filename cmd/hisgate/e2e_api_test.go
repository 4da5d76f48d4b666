package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

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
