package client

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// Every unary method of the API is decided on: repeated, or known not to be.
func TestEveryMethodIsDecidedOn(t *testing.T) {
	never := map[string]bool{
		hisgatev1.OpsService_RunReconciliation_FullMethodName: true,
		hisgatev1.OpsService_VerifyLedger_FullMethodName:      true,
	}
	for _, f := range []protoreflect.FileDescriptor{
		hisgatev1.File_hisgate_v1_stock_proto, hisgatev1.File_hisgate_v1_lock_proto,
		hisgatev1.File_hisgate_v1_order_proto, hisgatev1.File_hisgate_v1_ops_proto,
	} {
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			for j := range s.Methods().Len() {
				m := s.Methods().Get(j)
				name := "/" + string(s.FullName()) + "/" + string(m.Name())
				if streams := m.IsStreamingServer() || m.IsStreamingClient(); mayRepeat(name) == (streams || never[name]) {
					t.Errorf("%s: repeated: %v", name, mayRepeat(name))
				}
			}
		}
	}
}

// The pause is hisgate's where it says one, else it grows, and never beyond its
// bound.
func TestPauses(t *testing.T) {
	r := &repeater{attempts: 100}
	lock := hisgatev1.LockService_Lock_FullMethodName
	for attempt, want := range map[int]time.Duration{1: 100 * time.Millisecond, 3: 400 * time.Millisecond, 10: 5 * time.Second, 60: 5 * time.Second} {
		got, again := r.pause(lock, attempt, &Error{Code: codes.Unavailable})
		if !again || got < want || got > want+want/4 {
			t.Errorf("after attempt %d: %v, want %v", attempt, got, want)
		}
	}
	if got, again := r.pause(lock, 1, &Error{Code: codes.Unavailable, RetryAfter: 2 * time.Second}); !again || got < 2*time.Second || got > 2500*time.Millisecond {
		t.Errorf("when told: %v", got)
	}
	if _, again := r.pause(lock, 100, &Error{Code: codes.Unavailable}); again {
		t.Error("no end of attempts")
	}
}
