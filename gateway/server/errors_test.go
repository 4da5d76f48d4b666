package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// TestErrorTable holds every row that has content of its own; the sentinels
// follow.
func TestErrorTable(t *testing.T) {
	tests := []struct {
		err    error
		code   codes.Code
		reason reason
	}{
		{&lockstore.ShortageError{Shortages: []lockstore.Shortage{{DrugID: "A"}}}, codes.FailedPrecondition, hisgatev1.Reason_STOCK_INSUFFICIENT},
		{&lockstore.NotDivisibleError{DrugID: "A", Multiple: 24}, codes.FailedPrecondition, hisgatev1.Reason_NOT_DIVISIBLE},
		{&lockstore.InvalidError{Field: "ttl"}, codes.InvalidArgument, hisgatev1.Reason_INVALID_FIELD},
		{&lockstore.StaleReadingError{}, codes.Unavailable, hisgatev1.Reason_HIS_UNAVAILABLE},
		{&gateway.UnknownDrugError{}, codes.NotFound, hisgatev1.Reason_UNKNOWN_DRUG},
		{&gateway.HISError{Outcome: hisadapter.Busy, Err: context.DeadlineExceeded}, codes.Unavailable, hisgatev1.Reason_HIS_UNAVAILABLE},
		{&gateway.HISError{Outcome: hisadapter.Misconfigured}, codes.Unavailable, hisgatev1.Reason_HIS_MISCONFIGURED},
		{&gateway.RecalledError{Deducted: true}, codes.FailedPrecondition, hisgatev1.Reason_ALREADY_CONFIRMED},
		{&gateway.RecalledError{}, codes.Unavailable, hisgatev1.Reason_RECOVERING},
		{&gateway.HISRefusedError{Kind: hisadapter.Insufficient}, codes.FailedPrecondition, hisgatev1.Reason_STOCK_INSUFFICIENT},
		{&gateway.HISRefusedError{Kind: hisadapter.UnknownDrug}, codes.FailedPrecondition, hisgatev1.Reason_UNKNOWN_DRUG},
		{&gateway.HISRefusedError{Kind: hisadapter.Stopped}, codes.FailedPrecondition, hisgatev1.Reason_STOPPED},
		{&gateway.HISRefusedError{Kind: hisadapter.NotDivisible}, codes.FailedPrecondition, hisgatev1.Reason_NOT_DIVISIBLE},
		{&gateway.HISRefusedError{Kind: hisadapter.PriceChanged}, codes.FailedPrecondition, hisgatev1.Reason_PRICE_CHANGED},
		{&gateway.HISRefusedError{Kind: hisadapter.AmountMismatch}, codes.FailedPrecondition, hisgatev1.Reason_PRICE_CHANGED},
		{&gateway.HISRefusedError{}, codes.FailedPrecondition, hisgatev1.Reason_HIS_REFUSED},
		{&payflow.ShortError{}, codes.FailedPrecondition, hisgatev1.Reason_STOCK_INSUFFICIENT},
		{&payflow.PriceChangedError{}, codes.FailedPrecondition, hisgatev1.Reason_PRICE_CHANGED},
		{&payflow.PreconditionError{Reason: payflow.ReasonTooLate}, codes.FailedPrecondition, hisgatev1.Reason_TOO_LATE},
		{&payflow.AbortedError{Reason: payflow.ReasonBeingFulfilled}, codes.Aborted, hisgatev1.Reason_BEING_FULFILLED},
		{&payflow.EtagMismatchError{}, codes.Aborted, hisgatev1.Reason_ETAG_MISMATCH},
		{&payflow.OrderNoReusedError{}, codes.AlreadyExists, hisgatev1.Reason_ORDER_NO_REUSED},
		{&payflow.RequestReusedError{}, codes.InvalidArgument, hisgatev1.Reason_REQUEST_REUSED},
		{&payflow.InvalidError{Field: "x"}, codes.InvalidArgument, hisgatev1.Reason_INVALID_FIELD},
		{&payflow.FieldError{Field: "x"}, codes.InvalidArgument, hisgatev1.Reason_INVALID_FIELD},
		{&payflow.RefusedError{}, codes.FailedPrecondition, hisgatev1.Reason_HIS_REFUSED},
		{&payflow.NotYetError{Cause: payflow.ErrUnavailable}, codes.Unavailable, hisgatev1.Reason_HIS_UNAVAILABLE},
		{&payflow.NotYetError{Cause: payflow.ErrMisconfigured}, codes.Unavailable, hisgatev1.Reason_HIS_MISCONFIGURED},
		{&payflow.NotYetError{Cause: payflow.ErrPending}, codes.Unavailable, hisgatev1.Reason_OUTCOME_UNKNOWN},
		{&payflow.NotYetError{Cause: errors.New("?")}, codes.Unavailable, hisgatev1.Reason_OUTCOME_UNKNOWN},
		{&payflow.ChannelError{Op: "query"}, codes.Unavailable, hisgatev1.Reason_PAY_UNAVAILABLE},
		{fmt.Errorf("%w: %w", lockstore.ErrOutcomeUnknown, context.Canceled), codes.Unavailable, hisgatev1.Reason_OUTCOME_UNKNOWN},
		{fmt.Errorf("reading: %w", context.DeadlineExceeded), codes.DeadlineExceeded, hisgatev1.Reason_TIMED_OUT},
		{errors.New("disk /dev/sda is on fire"), codes.Internal, hisgatev1.Reason_INTERNAL},
	}
	for _, s := range sentinels {
		tests = append(tests, struct {
			err    error
			code   codes.Code
			reason reason
		}{fmt.Errorf("wrapped: %w", s.err), s.code, s.reason})
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%T %v", tt.err, tt.err), func(t *testing.T) {
			s, known := toStatus(tt.err)
			if s.Code() != tt.code || reasonOf(s) != tt.reason.String() {
				t.Errorf("%s %s, want %s %s", s.Code(), reasonOf(s), tt.code, tt.reason)
			}
			if known != (tt.code != codes.Internal) {
				t.Errorf("known: %v", known)
			}
			if strings.Contains(s.Message(), "/dev/sda") {
				t.Errorf("the cause leaks: %s", s.Message())
			}
			retry := tt.code == codes.Unavailable || tt.code == codes.ResourceExhausted
			for _, d := range s.Details() {
				switch d := d.(type) {
				case *errdetails.RetryInfo:
					if d.GetRetryDelay().AsDuration() <= 0 || !retry {
						t.Errorf("retry after %v", d.GetRetryDelay())
					}
					retry = false
				case *errdetails.LocalizedMessage:
					if d.GetMessage() == "" {
						t.Errorf("no words in %s", d.GetLocale())
					}
				}
			}
			if retry {
				t.Error("no RetryInfo")
			}
		})
	}
}

// TestNamesAgree: what the edge passes on by name has that name in the API.
func TestNamesAgree(t *testing.T) {
	has := func(kind, name string, values map[string]int32) {
		if values[name] == 0 {
			t.Errorf("the API has no %s %q", kind, name)
		}
	}
	for _, s := range []string{
		payflow.ReasonUnknownDrug, payflow.ReasonStopped, payflow.ReasonNotDivisible, payflow.ReasonPriceUnknown, payflow.ReasonAmountRange,
		payflow.ReasonHisRefused, payflow.ReasonPrepayRefused, payflow.ReasonTooLate, payflow.ReasonFreezeTooShort, payflow.ReasonLockLost,
		payflow.ReasonDeadline, payflow.ReasonCancelled, payflow.ReasonOtherPayer, payflow.ReasonPaymentMissing, payflow.ReasonNotPayable,
		payflow.ReasonAlreadyPaid, payflow.ReasonNotPaid, payflow.ReasonRefundInProgress, payflow.ReasonRefundTooMuch,
		payflow.ReasonBeingFulfilled, payflow.ReasonKnowingly, payflow.ReasonRefundSent, payflow.ReasonWasFulfilled,
		payflow.ReasonLockUnsettled, payflow.ReasonVerbNotAllowed,
	} {
		has("reason", s, hisgatev1.Reason_Code_value)
		if reasonZH(s) == "" {
			t.Errorf("%s has no words in Chinese", s)
		}
	}
	for _, s := range []payflow.State{
		payflow.Created, payflow.Locked, payflow.AwaitingPayment, payflow.Closing, payflow.Closed, payflow.Rejected,
		payflow.Paid, payflow.Fulfilled, payflow.Refunding, payflow.Refunded, payflow.NeedsAttention,
	} {
		has("status", string(s), hisgatev1.Order_Status_value)
	}
	for _, s := range []payflow.Strategy{payflow.Reserve, payflow.Hold, payflow.Verify, payflow.Refund} {
		has("strategy", string(s), hisgatev1.Order_Strategy_value)
	}
	for _, n := range []payflow.Next{payflow.NextWait, payflow.NextPrepay, payflow.NextPay, payflow.NextPerson, payflow.NextNone} {
		has("next", string(n), hisgatev1.Order_Next_value)
	}
	for _, m := range []payflow.Method{payflow.JSAPI, payflow.Native, payflow.H5, payflow.App} {
		has("method", string(m), hisgatev1.Payment_Method_value)
	}
	for _, r := range []payflow.RefundStatus{
		payflow.RefundStored, payflow.RefundSent, payflow.RefundAccepted, payflow.RefundDone, payflow.RefundEnded, payflow.RefundFailed,
	} {
		has("refund status", string(r), hisgatev1.Refund_Status_value)
	}
	for _, v := range []payflow.Verb{
		payflow.VerbClaim, payflow.VerbHandOver, payflow.VerbRecheck, payflow.VerbRetry, payflow.VerbRefund,
		payflow.VerbMarkFulfilled, payflow.VerbMarkRefunded, payflow.VerbResume,
	} {
		has("verb", string(v), hisgatev1.Case_Verb_value)
	}
	for _, s := range []payflow.Severity{payflow.P0, payflow.P1, payflow.P2} {
		has("severity", string(s), hisgatev1.Case_Severity_value)
	}
	for _, r := range []payflow.CheckResult{
		payflow.CheckOK, payflow.CheckInsufficient, payflow.CheckPriceChanged, payflow.CheckStopped,
		payflow.CheckUnknownDrug, payflow.CheckNotDivisible, payflow.CheckUnchecked,
	} {
		has("check result", string(r), hisgatev1.CheckOrderResponse_Result_value)
	}
	for s := lockstore.Pending; s <= lockstore.Released; s++ {
		has("lock status", s.String(), hisgatev1.Lock_Status_value)
	}
	for c := lockstore.ByCaller; c <= lockstore.AsTombstone; c++ {
		has("cause", c.String(), hisgatev1.Lock_Cause_value)
	}
	for s := gateway.SourceLive; s <= gateway.SourceStale; s++ {
		has("source", s.String(), hisgatev1.Stock_Source_value)
	}
	for _, s := range []string{"closed", "open", "half_open"} {
		has("breaker", strings.ToUpper(s), hisgatev1.GuardState_Breaker_value)
	}
}

func testInterceptors(t *testing.T, log *strings.Builder) *interceptors {
	t.Helper()
	rules, err := protovalidate.New()
	if err != nil {
		t.Fatal(err)
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "r"}, []string{"method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "d"}, []string{"method"}),
		panics:   prometheus.NewCounter(prometheus.CounterOpts{Name: "p"}),
	}
	return &interceptors{
		log: slog.New(slog.NewTextHandler(log, nil)), now: time.Now, metrics: m, rules: rules,
		draining: t.Context(), admit: newAdmission(&Options{Limits: Limits{Streams: 1}, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, func(scope) {}),
	}
}

// TestInterceptors: a panic is an internal error that the log explains; a
// handler has an identity, a deadline and a message that keeps the rules.
func TestInterceptors(t *testing.T) {
	var log strings.Builder
	i := testInterceptors(t, &log)
	info := &grpc.UnaryServerInfo{FullMethod: "/hisgate.v1.LockService/GetLock"}
	good := &hisgatev1.GetLockRequest{OrderNo: "R1"}

	_, err := i.unary(t.Context(), good, info, func(context.Context, any) (any, error) { panic("oops") })
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "oops") || !strings.Contains(log.String(), "oops") {
		t.Errorf("panic: %v; log %s", err, log.String())
	}
	_, err = i.unary(t.Context(), good, info, func(ctx context.Context, _ any) (any, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("no deadline")
		}
		if caller(ctx).Name != local.Name || requestID(ctx) == "" {
			t.Errorf("caller %v, request %q", caller(ctx), requestID(ctx))
		}
		return nil, errors.New("secret cause")
	})
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "secret") || !strings.Contains(log.String(), "secret cause") {
		t.Errorf("fault: %v; log %s", err, log.String())
	}
	_, err = i.unary(t.Context(), &hisgatev1.GetLockRequest{}, info, func(context.Context, any) (any, error) {
		t.Error("a message that breaks the rules came through")
		return nil, nil
	})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("rules: %v", err)
	}

	stream := &grpc.StreamServerInfo{FullMethod: "/hisgate.v1.StockService/WatchStock"}
	err = i.stream(nil, fakeStream{ctx: t.Context()}, stream, func(any, grpc.ServerStream) error { panic("oops") })
	if status.Code(err) != codes.Internal {
		t.Errorf("panic of a stream: %v", err)
	}
	err = i.stream(nil, fakeStream{ctx: t.Context()}, stream, func(any, grpc.ServerStream) error {
		return i.stream(nil, fakeStream{ctx: t.Context()}, stream, func(any, grpc.ServerStream) error { return nil })
	})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one stream too many: %v", err)
	}
}

type fakeStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s fakeStream) Context() context.Context    { return s.ctx }
func (s fakeStream) SetHeader(metadata.MD) error { return nil }
