package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

func testAdmission(l Limits, now func() time.Time) *admission {
	return newAdmission(&Options{Limits: l, Now: now, Logger: slog.New(slog.DiscardHandler)}, func(scope) {})
}

// TestSettlingCallsHavePlacesOfTheirOwn: readers who wait for a silent HIS by
// the thousand do not keep a paid order from being confirmed.
func TestSettlingCallsHavePlacesOfTheirOwn(t *testing.T) {
	var log strings.Builder
	i := testInterceptors(t, &log)
	i.admit = testAdmission(Limits{ClientInFlight: 100, InFlight: 20}, time.Now)
	read := &grpc.UnaryServerInfo{FullMethod: "/hisgate.v1.LockService/GetLock"}
	confirm := &grpc.UnaryServerInfo{FullMethod: "/hisgate.v1.LockService/Confirm"}
	request, settle := &hisgatev1.GetLockRequest{OrderNo: "R1"}, &hisgatev1.ConfirmRequest{OrderNo: "R1"}
	call := func(req any, info *grpc.UnaryServerInfo, inside func()) codes.Code {
		_, err := i.unary(t.Context(), req, info, func(context.Context, any) (any, error) { inside(); return nil, nil })
		return status.Code(err)
	}
	var confirmed, refused, deepest int
	var fill func(depth int)
	fill = func(depth int) {
		deepest = depth
		if call(request, read, func() { fill(depth + 1) }) != codes.ResourceExhausted {
			return
		}
		refused++
		var more func()
		more = func() { confirmed++; call(settle, confirm, more) }
		call(settle, confirm, more)
	}
	fill(0)
	if refused != 1 || deepest != 18 || confirmed != 2 {
		t.Errorf("%d reads at once, then %d confirmed; want 18 and 2", deepest, confirmed)
	}
	if calls, _, _ := i.admit.load(); calls != 0 {
		t.Errorf("%d calls under way after all have ended", calls)
	}
}

// TestSettlingCallsHaveARateOfTheirOwn: a flood of reads leaves a tenth of each
// burst to them, and what they take is filled up before the flood goes on.
func TestSettlingCallsHaveARateOfTheirOwn(t *testing.T) {
	for name, l := range map[string]Limits{
		"of the client": {ClientRate: 10, ClientBurst: 20},
		"of all":        {Rate: 10, Burst: 20},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1_800_000_000, 0)
			a := testAdmission(l, func() time.Time { return now })
			served := func(k kind, calls int) (n int) {
				for range calls {
					if leave, err := a.enter("c", k); err == nil {
						leave()
						n++
					}
				}
				return n
			}
			if n := served(ordinaryCall, 30) + served(streamCall, 30); n != 18 {
				t.Errorf("%d ordinary calls at once, want 18 of 20", n)
			}
			if n := served(settlingCall, 30); n != 2 {
				t.Errorf("%d settling calls behind the flood, want the 2 that are kept", n)
			}
			now = now.Add(200 * time.Millisecond)
			if n := served(ordinaryCall, 30); n != 0 {
				t.Errorf("%d ordinary calls took what is kept", n)
			}
			_, err := a.enter("c", ordinaryCall)
			if e, ok := errors.AsType[*limitError](err); !ok || e.retry != 100*time.Millisecond {
				t.Errorf("told %v, want to come again in 100ms", err)
			}
			now = now.Add(100 * time.Millisecond)
			if n := served(ordinaryCall, 30); n != 1 {
				t.Errorf("%d ordinary calls, want 1", n)
			}
		})
	}
}

// TestTheTableOfClientsIsBounded: the oldest silent one makes room, one at work
// is never forgotten, and nobody is remembered for ever.
func TestTheTableOfClientsIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := testAdmission(Limits{ClientRate: 1, ClientBurst: 1, Clients: 3, ClientInFlight: 10}, func() time.Time { return now })
	enter := func(name string) (func(), bool) {
		leave, err := a.enter(name, ordinaryCall)
		return leave, err == nil
	}
	working, ok := enter("at work")
	if !ok {
		t.Fatal("refused")
	}
	for i := range 100 {
		leave, ok := enter(fmt.Sprint("client ", i))
		if !ok {
			t.Fatalf("client %d is refused for another's calls", i)
		}
		leave()
		if _, _, n := a.load(); n > 3 {
			t.Fatalf("%d clients are remembered", n)
		}
	}
	if _, ok := enter("at work"); ok {
		t.Error("a client at work was forgotten, and its rate with it")
	}
	if _, ok := enter("client 99"); ok {
		t.Error("a client that was here just now was forgotten")
	}
	// A table full of clients at work: newcomers share one account.
	now = now.Add(time.Second)
	for _, name := range []string{"b", "c"} {
		if _, ok := enter(name); !ok {
			t.Fatalf("%s is refused", name)
		}
	}
	if _, ok := enter("d"); !ok {
		t.Error("the shared account is not served")
	}
	if _, ok := enter("e"); ok {
		t.Error("the shared account has a rate for each newcomer")
	}
	working()
	now = now.Add(clientIdle + time.Second)
	if leave, ok := enter("f"); ok {
		leave()
	}
	if _, _, n := a.load(); n != 3 { // b and c at work, and f
		t.Errorf("%d clients are remembered", n)
	}
}

// TestAFloodWarnsOnce: the log does not drown in refusals.
func TestAFloodWarnsOnce(t *testing.T) {
	var log strings.Builder
	now := time.Unix(1_800_000_000, 0)
	shed := 0
	a := newAdmission(&Options{
		Limits: Limits{Rate: 0.001, Burst: 1}, Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, func(scope) { shed++ })
	for range 101 {
		_, _ = a.enter("c", ordinaryCall)
	}
	now = now.Add(warnEvery)
	_, _ = a.enter("c", ordinaryCall)
	if n := strings.Count(log.String(), "calls are being refused"); n != 2 || shed != 101 {
		t.Errorf("%d warnings of %d refusals, want 2 of 101", n, shed)
	}
}
