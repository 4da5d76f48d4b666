package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// TestEachRefusalSaysWhenToComeAgain: every way to be told "too much", over gRPC
// with RetryInfo and over REST with 429 and Retry-After.
func TestEachRefusalSaysWhenToComeAgain(t *testing.T) {
	refusals := map[error]time.Duration{
		gateway.ErrOverloaded: errRetryAfter, gateway.ErrTooManyWatchers: errRetryAfter,
		lockstore.ErrTooManyLocks: errRetryAfter, payflow.ErrBusy: errRetryAfter,
	}
	for _, s := range scopes {
		refusals[&limitError{scope: s}] = errRetryAfter
		refusals[&limitError{scope: s, retry: 2500 * time.Millisecond}] = 2500 * time.Millisecond
	}
	rest := &restErrors{json: newJSON(), log: slog.New(slog.DiscardHandler), now: time.Now}
	for refusal, want := range refusals {
		s, known := toStatus(fmt.Errorf("wrapped: %w", refusal))
		if !known || s.Code() != codes.ResourceExhausted || reasonOf(s) == "" {
			t.Errorf("%v: %v", refusal, s)
		}
		var retry time.Duration
		for _, d := range s.Details() {
			if r, ok := d.(*errdetails.RetryInfo); ok {
				retry = r.GetRetryDelay().AsDuration()
			}
		}
		if retry != want {
			t.Errorf("%v: come again in %v, want %v", refusal, retry, want)
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/v1/stock/x", nil)
		rest.handle(t.Context(), nil, nil, w, r, s.Err())
		seconds := map[time.Duration]string{errRetryAfter: "1", 2500 * time.Millisecond: "3"}[want]
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != seconds || !strings.Contains(w.Body.String(), "RATE_LIMITED") {
			t.Errorf("%v over REST: %d, Retry-After %q, %s", refusal, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
}

// refusedEarly is a stream that is over before the request is sent.
type refusedEarly struct{ grpc.ClientStream }

func (refusedEarly) SendMsg(any) error { return io.EOF }
func (refusedEarly) CloseSend() error  { return nil }
func (refusedEarly) RecvMsg(any) error { return status.Error(codes.Unauthenticated, "who?") }

type refusing struct{ grpc.ClientConnInterface }

func (refusing) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return refusedEarly{}, nil
}

// A stream over REST that is refused says so, also when the refusal is there before
// the request is: not "internal error".
func TestAStreamThatIsRefusedEarlySaysWhy(t *testing.T) {
	s, err := hisgatev1.NewStockServiceClient(firstOrError{refusing{}}).WatchStock(t.Context(), &hisgatev1.WatchStockRequest{})
	if err != nil {
		t.Fatalf("it is told as a fault: %v", err)
	}
	if _, err := s.Header(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("got %v", err)
	}
}
