package simhis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// path is where an operation stands.
func (op Op) path() string {
	switch op {
	case OpQueryStock:
		return "/his/query_stock"
	case OpFreeze:
		return "/his/freeze"
	case OpUnfreeze:
		return "/his/unfreeze"
	case OpPlaceOrder:
		return "/his/place_order"
	case OpFindOrder:
		return "/his/find_order"
	case OpCancelOrder:
		return "/his/cancel_order"
	default:
		return "/his/list_orders"
	}
}

// Handler serves both the HIS's own protocol under /his/ and the control calls
// under /sim/.
func (h *HIS) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/his/", h.HISHandler())
	mux.Handle("/sim/", h.controlHandler())
	return mux
}

// HISHandler serves the HIS's own protocol: POST of JSON, business answers
// always with status 200. When the HIS is down it cuts each connection.
func (h *HIS) HISHandler() http.Handler {
	mux := http.NewServeMux()
	caps := h.cfg.Capabilities
	for _, op := range Ops() {
		mux.Handle("POST "+op.path(), h.door(op, caps))
	}
	return mux
}

func (h *HIS) door(op Op, caps hisadapter.Capabilities) http.HandlerFunc {
	offered := map[Op]bool{
		OpQueryStock: true, OpPlaceOrder: true, OpFreeze: caps.Freeze, OpUnfreeze: caps.Freeze,
		OpFindOrder: caps.Find, OpCancelOrder: caps.Cancel, OpListOrders: caps.List,
	}[op]
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "body too large or cut", http.StatusRequestEntityTooLarge)
			return
		}
		if !offered {
			writeAnswer(w, no(codeNotOpened, verdictOf(codeNotOpened).message).wire(op))
			return
		}
		c, err := h.decode(op, body)
		if err != nil {
			writeAnswer(w, no(codeBadParameter, "参数错误: "+err.Error()).wire(op))
			return
		}
		a, end := h.serve(r.Context(), c)
		switch end {
		case answered:
			writeAnswer(w, a.wire(op))
		case serverError:
			http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		case nonsense:
			w.Header().Set("Content-Type", "text/html; charset=gbk")
			io.WriteString(w, "<html><title>\xb5\xc7\xc2\xbc</title><body>login</body></html>")
		case halfAnswer:
			writeHalf(w, a.wire(op))
		default:
			panic(http.ErrAbortHandler) // cuts the connection without an answer
		}
	}
}

// decode reads a request strictly.
func (h *HIS) decode(op Op, body []byte) (*call, error) {
	switch op {
	case OpQueryStock:
		var q wireQuery
		if err := strict(body, &q); err != nil {
			return nil, err
		}
		keys := make([]hisadapter.Key, 0, len(q.Keys))
		for _, k := range q.Keys {
			keys = append(keys, hisadapter.Key(k))
		}
		return h.queryStock(keys), nil
	case OpFreeze:
		var q wireFreezeRequest
		err := strict(body, &q)
		return h.freezeCall(hisadapter.FreezeRequest{
			HisNo: q.HisNo, PharmacyID: q.PharmacyID, Lines: fromWireLines(q.Lines), Until: q.Until, Attributes: q.Attributes,
		}), err
	case OpUnfreeze:
		var q wireUnfreezeRequest
		err := strict(body, &q)
		return h.unfreezeCall(hisadapter.UnfreezeRequest{
			HisNo: q.HisNo, LockID: q.LockID, PharmacyID: q.PharmacyID, Lines: fromWireLines(q.Lines),
		}), err
	case OpPlaceOrder:
		var q wirePlaceRequest
		err := strict(body, &q)
		return h.placeCall(hisadapter.PlaceOrderRequest{
			HisNo: q.HisNo, LockID: q.LockID, PharmacyID: q.PharmacyID, Lines: fromWireLines(q.Lines), DrugsFen: q.DrugsFen,
			TransactionID: q.TransactionID, PaidAt: q.PaidAt, Attributes: q.Attributes,
		}), err
	case OpFindOrder:
		var q wireFindRequest
		err := strict(body, &q)
		return h.findCall(q.HisNo), err
	case OpCancelOrder:
		var q wireCancelRequest
		err := strict(body, &q)
		return h.cancelCall(q.HisNo, q.OrderNo), err
	default:
		var q wireListRequest
		if err := strict(body, &q); err != nil {
			return nil, err
		}
		day, err := time.ParseInLocation(time.DateOnly, q.Day, shanghai)
		return h.listCall(day), err
	}
}

// strict reads exactly one JSON value with known fields into v.
func strict(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if typ, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("field %s: a JSON %s does not fit", typ.Field, typ.Value)
		}
		return fmt.Errorf("body: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("body: something follows the JSON value")
	}
	return nil
}

func writeAnswer(w http.ResponseWriter, a wireAnswer) {
	writeJSON(w, http.StatusOK, a)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "encoding failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body) // the caller is gone when this fails; nothing is left to do
}

// writeHalf promises a whole answer and ends in the middle of it.
func writeHalf(w http.ResponseWriter, a wireAnswer) {
	body, err := json.Marshal(a)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.Write(body[:len(body)/2])
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}
