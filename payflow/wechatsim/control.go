package wechatsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// faultJSON is a Fault under /sim/: delay is text such as "1.5s".
type faultJSON struct {
	Op         Op        `json:"op,omitempty"`
	OutTradeNo string    `json:"out_trade_no,omitempty"`
	Skip       int       `json:"skip,omitempty"`
	Times      int       `json:"times,omitempty"`
	Kind       FaultKind `json:"kind,omitempty"`
	Delay      string    `json:"delay,omitempty"`
	Sign       Sign      `json:"sign,omitempty"`
	Status     int       `json:"status,omitempty"`
	Code       string    `json:"code,omitempty"`
	Message    string    `json:"message,omitempty"`
	Copies     int       `json:"copies,omitempty"`
}

func (f faultJSON) fault() (Fault, error) {
	out := Fault{
		Op: f.Op, OutTradeNo: f.OutTradeNo, Skip: f.Skip, Times: f.Times, Kind: f.Kind, Sign: f.Sign, Status: f.Status,
		Code: f.Code, Message: f.Message, Copies: f.Copies,
	}
	if f.Delay == "" {
		return out, nil
	}
	var err error
	if out.Delay, err = time.ParseDuration(f.Delay); err != nil {
		return out, fmt.Errorf("delay %q is no duration such as \"1.5s\"", f.Delay)
	}
	return out, nil
}

func faultsJSON(faults []Fault) map[string][]faultJSON {
	list := make([]faultJSON, 0, len(faults))
	for _, f := range faults {
		j := faultJSON{
			Op: f.Op, OutTradeNo: f.OutTradeNo, Skip: f.Skip, Times: f.Times, Kind: f.Kind, Sign: f.Sign, Status: f.Status,
			Code: f.Code, Message: f.Message, Copies: f.Copies,
		}
		if f.Delay > 0 {
			j.Delay = f.Delay.String()
		}
		list = append(list, j)
	}
	return map[string][]faultJSON{"faults": list}
}

// errBadControl marks a control request that makes no sense.
var errBadControl = errors.New("bad request")

func (s *Sim) controlRoutes(mux *http.ServeMux) {
	mux.Handle("POST /sim/pay", control(s.controlPay))
	mux.Handle("POST /sim/refund", control(s.controlRefund))
	mux.Handle("POST /sim/backdate", control(s.controlBackdate))
	mux.Handle("POST /sim/redeliver", control(s.controlRedeliver))
	mux.Handle("POST /sim/faults", control(s.controlInject))
	mux.Handle("GET /sim/faults", control(func(*http.Request, []byte) (any, error) { return faultsJSON(s.Faults()), nil }))
	mux.Handle("DELETE /sim/faults", control(func(*http.Request, []byte) (any, error) {
		s.ClearFaults()
		return faultsJSON(nil), nil
	}))
	mux.Handle("GET /sim/ledger", control(func(*http.Request, []byte) (any, error) { return s.Ledger(), nil }))
}

// control answers with JSON: what do returns, or {"error": …} under a status that fits.
func control(do func(r *http.Request, body []byte) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		var v any
		if err == nil {
			v, err = do(r, body)
		} else {
			err = fmt.Errorf("%w: %w", errBadControl, err)
		}
		status := http.StatusOK
		if err != nil {
			status, v = controlStatus(err), map[string]string{"error": err.Error()}
		}
		writeControl(w, status, v)
	})
}

func writeControl(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // a client that is gone is its own affair
}

func controlStatus(err error) int {
	switch {
	case errors.Is(err, ErrNoTrade):
		return http.StatusNotFound
	case errors.Is(err, errBadControl), errors.Is(err, ErrBadInvoke):
		return http.StatusBadRequest
	}
	return http.StatusConflict
}

// readControl is strict, for a mistyped switch that does nothing is worse than an error.
func readControl(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", errBadControl, err)
	}
	if d.More() {
		return fmt.Errorf("%w: more than one JSON value", errBadControl)
	}
	return nil
}

func (s *Sim) controlPay(r *http.Request, body []byte) (any, error) {
	var req struct {
		OutTradeNo string            `json:"out_trade_no"`
		CouponFen  int64             `json:"coupon_fen"`
		OpenID     string            `json:"openid"`
		Invoke     map[string]string `json:"invoke"`
		CodeURL    string            `json:"code_url"`
	}
	if err := readControl(body, &req); err != nil {
		return nil, err
	}
	var id string
	var err error
	switch {
	case req.Invoke != nil:
		id, err = s.PayInvoke(r.Context(), req.Invoke)
	case req.CodeURL != "":
		id, err = s.PayCodeURL(r.Context(), req.CodeURL)
	case req.OutTradeNo != "":
		id, err = s.PayWith(r.Context(), req.OutTradeNo, Payment{CouponFen: req.CouponFen, OpenID: req.OpenID})
	default:
		err = fmt.Errorf("%w: give out_trade_no, invoke or code_url", errBadControl)
	}
	if err != nil {
		return nil, err
	}
	return map[string]string{"transaction_id": id}, nil
}

func (s *Sim) controlRefund(r *http.Request, body []byte) (any, error) {
	var req struct {
		OutTradeNo string `json:"out_trade_no"`
		AmountFen  int64  `json:"amount_fen"`
		Reason     string `json:"reason"`
	}
	if err := readControl(body, &req); err != nil {
		return nil, err
	}
	id, err := s.Refund(r.Context(), req.OutTradeNo, req.AmountFen, req.Reason)
	if err != nil {
		return nil, err
	}
	return map[string]string{"refund_id": id}, nil
}

func (s *Sim) controlBackdate(_ *http.Request, body []byte) (any, error) {
	var req struct {
		OutTradeNo string    `json:"out_trade_no"`
		At         time.Time `json:"at"`
	}
	if err := readControl(body, &req); err != nil {
		return nil, err
	}
	return map[string]bool{"done": true}, s.Backdate(req.OutTradeNo, req.At)
}

func (s *Sim) controlRedeliver(_ *http.Request, body []byte) (any, error) {
	var req struct {
		OutTradeNo string `json:"out_trade_no"`
	}
	if err := readControl(body, &req); err != nil {
		return nil, err
	}
	return map[string]int{"queued": s.Redeliver(req.OutTradeNo)}, nil
}

func (s *Sim) controlInject(_ *http.Request, body []byte) (any, error) {
	var req struct {
		Clear  bool        `json:"clear"`
		Faults []faultJSON `json:"faults"`
	}
	if err := readControl(body, &req); err != nil {
		return nil, err
	}
	faults := make([]Fault, 0, len(req.Faults))
	for i, j := range req.Faults {
		f, err := j.fault()
		if err != nil {
			return nil, fmt.Errorf("%w: fault %d: %w", errBadControl, i, err)
		}
		if err := f.validate(); err != nil {
			return nil, fmt.Errorf("%w: fault %d: %w", errBadControl, i, err)
		}
		faults = append(faults, f)
	}
	if req.Clear {
		s.ClearFaults()
	}
	if err := s.Inject(faults...); err != nil {
		return nil, fmt.Errorf("%w: %w", errBadControl, err)
	}
	return faultsJSON(s.Faults()), nil
}
