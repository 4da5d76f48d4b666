package wechatsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxBody = 1 << 20

// hangLimit bounds a call that hangs although its client never gives up.
const hangLimit = time.Minute

// call is a decoded request. apply changes the books, under mu, and makes the answer.
type call struct {
	outTradeNo  string
	outRefundNo string
	apply       func(now time.Time, f Fault) answer
}

// decoder reads a request; an apiError is answered at once.
type decoder func(r *http.Request, body []byte) (call, *apiError)

func (s *Sim) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /v3/pay/transactions/{method}", s.endpoint(OpPrepay, s.decodePrepay))
	mux.Handle("GET /v3/pay/transactions/out-trade-no/{no}", s.endpoint(OpQuery, s.decodeQuery))
	mux.Handle("GET /v3/pay/transactions/id/{id}", s.endpoint(OpQueryID, s.decodeQueryID))
	mux.Handle("POST /v3/pay/transactions/out-trade-no/{no}/close", s.endpoint(OpClose, s.decodeClose))
	mux.Handle("POST /v3/refund/domestic/refunds", s.endpoint(OpRefund, s.decodeRefund))
	mux.Handle("GET /v3/refund/domestic/refunds/{no}", s.endpoint(OpRefundQuery, s.decodeRefundQuery))
	mux.Handle("GET /v3/certificates", s.endpoint(OpCertificates, s.decodeCertificates))
	mux.Handle("GET /v3/bill/tradebill", s.endpoint(OpTradeBill, s.decodeTradeBill))
	mux.Handle("GET /v3/billdownload/file", s.endpoint(OpBillDownload, s.decodeBillDownload))
	if !s.opts.DisableControl {
		s.controlRoutes(mux)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		otherwise, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/sim/") {
			writeControl(w, http.StatusNotFound, map[string]string{"error": "no such control: " + r.Method + " " + r.URL.Path})
			return
		}
		// WeChat answers an unknown path or method with an empty, unsigned 404 or 405.
		refused := &recorder{header: http.Header{}}
		otherwise.ServeHTTP(refused, r)
		w.WriteHeader(refused.status)
	})
}

// endpoint is the way of every API call: read, authenticate, decode, meet its fault, be applied, be answered.
func (s *Sim) endpoint(op Op, decode decoder) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			s.write(w, s.defaultKey(), s.failure(paramError("", "the body is larger than 1 MiB")), SignGood)
			return
		} else if err != nil {
			panic(http.ErrAbortHandler) // the client broke off
		}
		if e := s.authenticate(r, body, s.opts.Now()); e != nil {
			s.opts.Logger.Debug("wechatsim refused a request", "op", op, "code", e.Code, "message", e.Message)
			s.write(w, s.defaultKey(), s.failure(e), SignGood)
			return
		}
		key, e := s.answerKey(r)
		if e != nil {
			s.write(w, key, s.failure(e), SignGood)
			return
		}
		c, e := decode(r, body)
		if e != nil {
			refusal := s.failure(e)
			c.apply = func(time.Time, Fault) answer { return refusal }
		}
		f := s.meet(op, &c)
		w.Header().Set("Request-Id", randomHex(20))
		s.play(r.Context(), w, key, op, c, f)
	})
}

// meet counts the call, learns which trade it is about and takes its fault.
func (s *Sim) meet(op Op, c *call) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.opts.Now())
	s.calls[op]++
	if rf := s.refunds[c.outRefundNo]; c.outTradeNo == "" && rf != nil {
		c.outTradeNo = rf.trade.OutTradeNo
	}
	return s.takeFault(op, c.outTradeNo)
}

// play applies and answers a call as its fault will have it.
func (s *Sim) play(ctx context.Context, w http.ResponseWriter, key signer, op Op, c call, f Fault) {
	seen := Call{Op: op, OutTradeNo: c.outTradeNo, OutRefundNo: c.outRefundNo}
	apply := func() answer {
		s.opts.OnCall(seen)
		a := s.apply(c, f)
		after := seen
		after.After, after.Status = true, a.status
		s.opts.OnCall(after)
		return a
	}
	var a answer
	switch f.Kind {
	case KindHangBefore:
		s.hang(ctx, f)
	case KindHangAfter:
		apply()
		s.hang(ctx, f)
	case KindResetBefore:
		panic(http.ErrAbortHandler)
	case KindResetAfter:
		apply()
		panic(http.ErrAbortHandler)
	case KindLate:
		s.mu.Lock()
		s.at(s.opts.Now().Add(f.Delay), func(at time.Time) { c.apply(at, f) })
		s.mu.Unlock()
		panic(http.ErrAbortHandler)
	case KindStatus:
		a = s.injected(f)
	case KindStatusAfter:
		apply()
		a = s.injected(f)
	case KindUserPaying:
		a = s.failure(&apiError{Status: http.StatusAccepted, Code: "USER_PAYING", Message: "用户支付中，需要输入密码"})
	case KindNotEnough:
		a = s.failure(&apiError{Status: http.StatusForbidden, Code: "NOT_ENOUGH", Message: "基本账户余额不足，请充值后重新发起"})
	default:
		a = apply()
	}
	if f.Delay > 0 && !s.pause(ctx, f.Delay) {
		panic(http.ErrAbortHandler)
	}
	s.write(w, key, a, f.Sign)
}

// apply runs a call against the books. The patient's payment of KindPayFirst and KindPayAfter happens under the same
// lock, so that nothing comes between; where the patient cannot pay, nothing happens.
func (s *Sim) apply(c call, f Fault) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	s.settle(now)
	if f.Kind == KindPayFirst {
		_, _ = s.pay(s.trades[c.outTradeNo], Payment{}, now)
	}
	a := c.apply(now, f)
	if f.Kind == KindPayAfter {
		_, _ = s.pay(s.trades[c.outTradeNo], Payment{}, now)
	}
	return a
}

func (s *Sim) injected(f Fault) answer {
	status := f.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if f.Code == "-" {
		return answer{
			status: status, contentType: "text/html", unsigned: true,
			body: fmt.Appendf(nil, "<html><body><h1>%d %s</h1></body></html>", status, http.StatusText(status)),
		}
	}
	code := f.Code
	switch {
	case code != "":
	case status == http.StatusTooManyRequests:
		code = "FREQUENCY_LIMITED"
	default:
		code = "SYSTEM_ERROR"
	}
	return s.failure(&apiError{Status: status, Code: code, Message: or(f.Message, "系统异常，请稍后重试")})
}

// hang keeps a call without an answer, then drops its connection.
func (s *Sim) hang(ctx context.Context, f Fault) {
	limit := f.Delay
	if limit == 0 {
		limit = hangLimit
	}
	s.pause(ctx, limit)
	panic(http.ErrAbortHandler)
}

// pause reports whether the time passed before client or simulator went away.
func (s *Sim) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-s.done:
	}
	return false
}

func (s *Sim) write(w http.ResponseWriter, key signer, a answer, how Sign) {
	now := s.opts.Now()
	if !a.unsigned {
		for name, values := range signHeader(key, a.body, now, how) {
			w.Header()[name] = values
		}
	}
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat)) // a skewed Options.Now shows
	if a.contentType != "" {
		w.Header().Set("Content-Type", a.contentType)
	}
	if a.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that is gone is its own affair
}

// decodeJSON reads a request body. As at WeChat unknown members are ignored; a wrong type names its field.
func decodeJSON(body []byte, into any) *apiError {
	err := json.Unmarshal(body, into)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		return paramError(pointer(wrong.Field), "expects "+wrong.Type.String()+", found "+wrong.Value)
	}
	if err != nil {
		return invalidRequest("请求体不是合法的JSON")
	}
	return nil
}
