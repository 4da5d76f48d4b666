package hisgatev1_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

const longID = "0123456789012345678901234567890123456789012345678901234567890123456789"

// TestRules holds the field rules of the API: what a good request looks like, and
// which field is named when it is not good.
func TestRules(t *testing.T) {
	v, err := protovalidate.New()
	if err != nil {
		t.Fatal(err)
	}
	items := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"drug_id":"00010041","quantity":"1"},`, n), ",") + "]"
	}
	jsapi := `{"method":"JSAPI","appid":"wx1","payer_openid":"o1","description":"互联网医院药费"}`
	tests := []struct {
		name  string
		msg   proto.Message
		json  string
		field string // "" = good
	}{
		{"lock of the design", &hisgatev1.LockRequest{}, `{"order_no":"RX2026112200123","pharmacy_id":"HLWYF","items":[{"drug_id":"00010041","quantity":"30"}],"ttl":"900s","attributes":{"patient_id":"P1","rx_no":"CF1"}}`, ""},
		{"100 items", &hisgatev1.LockRequest{}, `{"order_no":"R","pharmacy_id":"H","items":` + items(100) + `}`, ""},
		{"101 items", &hisgatev1.LockRequest{}, `{"order_no":"R","pharmacy_id":"H","items":` + items(101) + `}`, "items"},
		{"no items", &hisgatev1.LockRequest{}, `{"order_no":"R","pharmacy_id":"H"}`, "items"},
		{"quantity 0", &hisgatev1.LockRequest{}, `{"order_no":"R","pharmacy_id":"H","items":[{"drug_id":"1"}]}`, "items[0].quantity"},
		{"negative quantity", &hisgatev1.LockRequest{}, `{"order_no":"R","pharmacy_id":"H","items":[{"drug_id":"1","quantity":"-1"}]}`, "items[0].quantity"},
		{"huge quantity", &hisgatev1.LockRequest{}, `{"order_no":"R","pharmacy_id":"H","items":[{"drug_id":"1","quantity":"1000000000001"}]}`, "items[0].quantity"},
		{"no drug", &hisgatev1.LockRequest{}, `{"order_no":"R","pharmacy_id":"H","items":[{"quantity":"1"}]}`, "items[0].drug_id"},
		{"long drug", &hisgatev1.LockRequest{}, `{"order_no":"R","pharmacy_id":"H","items":[{"drug_id":"` + longID + `","quantity":"1"}]}`, "items[0].drug_id"},
		{"no order_no", &hisgatev1.LockRequest{}, `{"pharmacy_id":"H","items":` + items(1) + `}`, "order_no"},
		{"blank in order_no", &hisgatev1.LockRequest{}, `{"order_no":"R 1","pharmacy_id":"H","items":` + items(1) + `}`, "order_no"},
		{"line break after order_no", &hisgatev1.LockRequest{}, `{"order_no":"R1\n","pharmacy_id":"H","items":` + items(1) + `}`, "order_no"},
		{"ttl 0", &hisgatev1.LockRequest{}, `{"order_no":"R","pharmacy_id":"H","items":` + items(1) + `,"ttl":"0s"}`, "ttl"},
		{"ttl over 2 h", &hisgatev1.LockRequest{}, `{"order_no":"R","pharmacy_id":"H","items":` + items(1) + `,"ttl":"7201s"}`, "ttl"},
		{"attribute too long", &hisgatev1.LockRequest{}, `{"order_no":"R","pharmacy_id":"H","items":` + items(1) + `,"attributes":{"k":"` + strings.Repeat("x", 257) + `"}}`, `attributes["k"]`},
		{"confirm without payment", &hisgatev1.ConfirmRequest{}, `{"order_no":"R"}`, ""},
		{"negative fen", &hisgatev1.ConfirmRequest{}, `{"order_no":"R","payment":{"drugs_fen":"-1"}}`, "payment.drugs_fen"},
		{"status unspecified", &hisgatev1.ListLocksRequest{}, `{"status":["STATUS_UNSPECIFIED"]}`, "status[0]"},
		{"status unknown", &hisgatev1.ListLocksRequest{}, `{"status":[99]}`, "status[0]"},
		{"page of 501", &hisgatev1.ListLocksRequest{}, `{"page_size":501}`, "page_size"},
		{"negative page", &hisgatev1.ListOrdersRequest{}, `{"page_size":-1}`, "page_size"},

		{"order of the design", &hisgatev1.CreateOrderRequest{}, `{"order_no":"RX2026112200123","strategy":"RESERVE","pharmacy_id":"HLWYF","items":[{"drug_id":"00010041","quantity":"30","line_fen":"100"}],"amount":{"drugs_fen":"100","other_fen":"1500","total_fen":"1600"},"payment":` + jsapi + `,"attributes":{"rx_no":"CF1"}}`, ""},
		{"order_no of 5", &hisgatev1.CreateOrderRequest{}, `{"order_no":"RX123","pharmacy_id":"H","items":` + items(1) + `,"payment":` + jsapi + `}`, "order_no"},
		{"order_no of 33", &hisgatev1.CreateOrderRequest{}, `{"order_no":"` + longID[:33] + `","pharmacy_id":"H","items":` + items(1) + `,"payment":` + jsapi + `}`, "order_no"},
		{"amount to be derived", &hisgatev1.CreateOrderRequest{}, `{"order_no":"RX1234","pharmacy_id":"H","items":` + items(1) + `,"amount":{"other_fen":"1500"},"payment":` + jsapi + `}`, ""},
		{"amount does not sum", &hisgatev1.CreateOrderRequest{}, `{"order_no":"RX1234","pharmacy_id":"H","items":` + items(1) + `,"amount":{"drugs_fen":"100","total_fen":"99"},"payment":` + jsapi + `}`, "amount.total_fen"},
		{"drugs without a total", &hisgatev1.CreateOrderRequest{}, `{"order_no":"RX1234","pharmacy_id":"H","items":` + items(1) + `,"amount":{"drugs_fen":"100"},"payment":` + jsapi + `}`, "amount.total_fen"},
		{"RESERVE without payment", &hisgatev1.CreateOrderRequest{}, `{"order_no":"RX1234","pharmacy_id":"H","items":` + items(1) + `}`, "payment"},
		{"HOLD without payment", &hisgatev1.CreateOrderRequest{}, `{"order_no":"RX1234","strategy":"HOLD","pharmacy_id":"H","items":` + items(1) + `}`, ""},
		{"no method", &hisgatev1.PrepayOrderRequest{}, `{"order_no":"RX1234","payment":{"description":"x"}}`, "payment.method"},
		{"JSAPI without openid", &hisgatev1.PrepayOrderRequest{}, `{"order_no":"RX1234","payment":{"method":"JSAPI","description":"x"}}`, "payment.payer_openid"},
		{"H5 without address", &hisgatev1.PrepayOrderRequest{}, `{"order_no":"RX1234","payment":{"method":"H5","description":"x"}}`, "payment.payer_client_ip"},
		{"H5 with a bad address", &hisgatev1.PrepayOrderRequest{}, `{"order_no":"RX1234","payment":{"method":"H5","description":"x","payer_client_ip":"1.2.3"}}`, "payment.payer_client_ip"},
		{"H5", &hisgatev1.PrepayOrderRequest{}, `{"order_no":"RX1234","payment":{"method":"H5","description":"x","payer_client_ip":"2001:db8::1"}}`, ""},
		{"127 characters", &hisgatev1.PrepayOrderRequest{}, `{"order_no":"RX1234","payment":{"method":"NATIVE","description":"` + strings.Repeat("药", 127) + `"}}`, ""},
		{"128 characters", &hisgatev1.PrepayOrderRequest{}, `{"order_no":"RX1234","payment":{"method":"NATIVE","description":"` + strings.Repeat("药", 128) + `"}}`, "payment.description"},
		{"check of an order", &hisgatev1.CheckOrderRequest{}, `{"order_no":"RX1234"}`, ""},
		{"check of items", &hisgatev1.CheckOrderRequest{}, `{"pharmacy_id":"H","items":` + items(1) + `}`, ""},
		{"check of nothing", &hisgatev1.CheckOrderRequest{}, `{}`, "order_no"},
		{"check of items nowhere", &hisgatev1.CheckOrderRequest{}, `{"items":` + items(1) + `}`, "pharmacy_id"},
		{"refund without a number", &hisgatev1.RefundOrderRequest{}, `{"order_no":"RX1234","reason":"x"}`, "request_id"},

		{"stock without pharmacy", &hisgatev1.GetStockRequest{}, `{"drug_id":"1"}`, "pharmacy_id"},
		{"batch of 101", &hisgatev1.BatchGetStockRequest{}, `{"keys":[` + strings.TrimSuffix(strings.Repeat(`{"pharmacy_id":"H","drug_id":"1"},`, 101), ",") + `]}`, "keys"},
		{"watch twice", &hisgatev1.WatchStockRequest{}, `{"pharmacy_id":"H","drug_ids":["1","1"]}`, "drug_ids"},
		{"changed, re-read", &hisgatev1.ReportStockChangeRequest{}, `{"changes":[{"pharmacy_id":"H","drug_id":"1"}]}`, ""},
		{"changed to a huge figure", &hisgatev1.ReportStockChangeRequest{}, `{"changes":[{"pharmacy_id":"H","drug_id":"1","on_hand":"1000000000001"}]}`, "changes[0].on_hand"},

		{"fulfilled without a HIS order", &hisgatev1.MarkFulfilledRequest{}, `{"case_id":"c","etag":"1","request_id":"r"}`, "his_order_no"},
		{"refunded without evidence", &hisgatev1.MarkRefundedRequest{}, `{"case_id":"c","etag":"1","request_id":"r"}`, "evidence"},
		{"verb without etag", &hisgatev1.RefundCaseRequest{}, `{"case_id":"c","request_id":"r"}`, "etag"},
		{"neither applied nor not", &hisgatev1.ResolveLockCaseRequest{}, `{"case_id":"c","etag":"1","request_id":"r"}`, "outcome"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := protojson.Unmarshal([]byte(tt.json), tt.msg); err != nil {
				t.Fatal(err)
			}
			err := v.Validate(tt.msg)
			if tt.field == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if got := violated(err); !slices.Equal(got, []string{tt.field}) {
				t.Errorf("violation names %q, want %q: %v", got, tt.field, err)
			}
		})
	}
}

// TestRequestStringsAreBounded: everything that outsiders send is bounded.
func TestRequestStringsAreBounded(t *testing.T) {
	v, err := protovalidate.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range methods() {
		in := m.Input()
		for i := range in.Fields().Len() {
			fd := in.Fields().Get(i)
			if fd.Kind() != protoreflect.StringKind || fd.IsList() || fd.IsMap() {
				continue
			}
			msg := newMessage(t, in)
			msg.ProtoReflect().Set(fd, protoreflect.ValueOfString(strings.Repeat("x", 1100)))
			if !slices.Contains(violated(v.Validate(msg)), string(fd.Name())) {
				t.Errorf("%s.%s takes 1100 characters", in.Name(), fd.Name())
			}
		}
	}
}

// TestMoneyAndQuantitiesAreInt64 keeps floats out of the API.
func TestMoneyAndQuantitiesAreInt64(t *testing.T) {
	counted := regexp.MustCompile(`_fen$|^(quantity|on_hand|held|safety|available|requested|multiple|price_per)$`)
	for _, f := range files() {
		for _, m := range messages(f.Messages()) {
			for i := range m.Fields().Len() {
				fd := m.Fields().Get(i)
				if counted.MatchString(string(fd.Name())) && fd.Kind() != protoreflect.Int64Kind {
					t.Errorf("%s is %s", fd.FullName(), fd.Kind())
				}
			}
		}
	}
}
