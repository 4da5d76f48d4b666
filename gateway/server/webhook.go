package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/internal/sparse"
	"github.com/hisgate/hisgate/payflow"
)

const (
	maxCallback = 64 << 10
	// callbackTime bounds one callback. WeChat waits 5 s; a callback that is not
	// durable by then comes again.
	callbackTime = 900 * time.Millisecond
	callbackRead = 5 * time.Second
)

// webhook takes WeChat's callbacks. It answers 200 only for what is durable;
// everything else comes again.
type webhook struct {
	log *slog.Logger
	now func() time.Time

	refusals sparse.Lines
}

func newWebhook(orders *payflow.Service, o *Options) http.Handler {
	h := &webhook{log: o.Logger, now: o.Now}
	payment, refund := h.take(orders.PaymentCallback), h.take(orders.RefundCallback)
	// No http.ServeMux: it would clean the path and send the caller there.
	return secured(o.HSTS, numbered(tracedCallback(o.Tracer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wechat/v1/payment":
			payment.ServeHTTP(w, r)
		case "/wechat/v1/refund":
			refund.ServeHTTP(w, r)
		default:
			h.answer(w, http.StatusNotFound, "no such path")
		}
	}))))
}

func (h *webhook) take(deliver func(context.Context, payflow.Callback) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := h.now()
		defer h.recover(w, r)
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			h.answer(w, http.StatusMethodNotAllowed, "POST only")
			return
		}
		c, code, why := h.read(w, r, began)
		if code == 0 {
			ctx, cancel := context.WithTimeout(r.Context(), callbackTime)
			defer cancel()
			if code, why = h.verdict(ctx, r, deliver(ctx, c)); code == http.StatusOK {
				connIn(r.Context()).prove()
			}
		}
		h.tell(r, code, why, h.now().Sub(began))
		h.answer(w, code, why)
	})
}

// tell writes the line of an answer; of refusals, which anybody can cause, a few a
// minute.
func (h *webhook) tell(r *http.Request, code int, why string, took time.Duration) {
	attrs := []any{
		"path", r.URL.Path, "status", code, "why", why, "duration_ms", float64(took.Microseconds()) / 1000,
		"request_id", r.Header.Get(requestIDHeader),
	}
	if code >= 400 && code < 500 {
		let, missing := h.refusals.Let(h.now())
		if !let {
			return
		}
		if missing > 0 {
			attrs = append(attrs, "not_logged", missing)
		}
	}
	span.Log(r.Context(), h.log).InfoContext(r.Context(), "callback answered", attrs...)
}

// read makes a callback of a request; a code that is not 0 is the answer.
func (h *webhook) read(w http.ResponseWriter, r *http.Request, now time.Time) (c payflow.Callback, code int, why string) {
	for name, field := range map[string]*string{
		"Wechatpay-Timestamp": &c.Timestamp, "Wechatpay-Nonce": &c.Nonce,
		"Wechatpay-Signature": &c.Signature, "Wechatpay-Serial": &c.Serial,
	} {
		values := r.Header.Values(name)
		if len(values) != 1 || values[0] == "" {
			return c, http.StatusBadRequest, "one " + name + " is needed"
		}
		*field = values[0]
	}
	body, err := readBody(w, r, maxCallback, callbackRead)
	switch {
	case isTooLarge(err):
		return c, http.StatusRequestEntityTooLarge, "too large"
	case err != nil:
		return c, http.StatusBadRequest, "the body could not be read"
	}
	c.Body, c.ReceivedAt = body, now
	return c, 0, ""
}

// verdict turns payflow's answer into WeChat's terms.
func (h *webhook) verdict(ctx context.Context, r *http.Request, err error) (code int, why string) {
	if err == nil {
		return http.StatusOK, ""
	}
	if refused, ok := errors.AsType[*payflow.CallbackError](err); ok {
		switch refused.Reason {
		case "SIGNATURE", "STALE", "PROBE":
			return http.StatusUnauthorized, refused.Reason
		case "KEYS_UNAVAILABLE":
			return http.StatusServiceUnavailable, refused.Reason
		default:
			return http.StatusBadRequest, refused.Reason
		}
	}
	switch {
	case errors.Is(err, payflow.ErrDisabled):
		return http.StatusNotFound, "payment is disabled"
	case errors.Is(err, payflow.ErrBusy), errors.Is(err, payflow.ErrStopped), ctx.Err() != nil:
		return http.StatusServiceUnavailable, "try again"
	default:
		h.log.ErrorContext(r.Context(), "callback failed", "path", r.URL.Path, "error", err)
		return http.StatusInternalServerError, "internal error"
	}
}

// answer writes what WeChat expects: 200, or FAIL with a word.
func (h *webhook) answer(w http.ResponseWriter, code int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	word := struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{"SUCCESS", "OK"}
	if code != http.StatusOK {
		word.Code, word.Message = "FAIL", why
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(word) // WeChat may be gone; it comes again
}

func (h *webhook) recover(w http.ResponseWriter, r *http.Request) {
	if p := recover(); p != nil {
		h.log.ErrorContext(r.Context(), "panic", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
		h.answer(w, http.StatusInternalServerError, "internal error")
	}
}
