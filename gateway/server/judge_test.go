package server_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/gateway/server/access"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// listed is a world with one caller, shop, whose entry may change.
type listed struct {
	*world
	clock      stopped
	keeper     *access.Keeper
	file       string
	token, sum string
}

// newListed opens one; open streams are judged again every so often.
func newListed(t *testing.T, entry string, every time.Duration, edit ...func(*server.Options)) *listed {
	t.Helper()
	l := &listed{file: filepath.Join(t.TempDir(), "callers.yaml")}
	l.token, l.sum = access.NewToken()
	l.write(t, entry)
	var err error
	if l.keeper, err = access.New(access.Options{CallersFile: l.file, Now: l.clock.now}); err != nil {
		t.Fatal(err)
	}
	edit = append(edit, func(o *server.Options) { o.Access, o.Judge = l.keeper.Identify, every })
	l.world = newWorld(t, newFakePay(), edit...)
	return l
}

// write makes the file of callers anew; TOKEN in it is the hash of shop's.
func (l *listed) write(t *testing.T, entry string) {
	t.Helper()
	if err := os.WriteFile(l.file, []byte(strings.ReplaceAll(entry, "TOKEN", l.sum)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reload reads the callers again, as SIGHUP does.
func (l *listed) reload(t *testing.T, entry string) {
	t.Helper()
	l.write(t, entry)
	if err := l.keeper.Reload(); err != nil {
		t.Fatal(err)
	}
	l.srv.JudgeStreams()
}

// as is a context of shop over gRPC.
func (l *listed) as(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // only a failure takes it
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+l.token)
}

// watch opens a stream of stock over gRPC and reads its first message.
func (l *listed) watch(t *testing.T) grpc.ServerStreamingClient[hisgatev1.StockResult] {
	t.Helper()
	s, err := hisgatev1.NewStockServiceClient(l.conn).WatchStock(l.as(t), &hisgatev1.WatchStockRequest{PharmacyId: pharmacy, DrugIds: []string{"00010041"}})
	if err == nil {
		_, err = s.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// events opens the same over REST as events, and reads the first.
func (l *listed) events(t *testing.T) (next func() (event, bool)) {
	t.Helper()
	next = events(t, l.world, "/v1/stock:watch?pharmacy_id=HLWYF&drug_ids=00010041", "Authorization", "Bearer "+l.token)
	mustEvent(t, next)
	return next
}

// endsWith holds that a stream of events has a failure as its last, with this reason
// and these words.
func endsWith(t *testing.T, next func() (event, bool), reason, words string) {
	t.Helper()
	e := mustEvent(t, next)
	if e.name != "failed" || reasonIn(e.data) != reason || !strings.Contains(fmt.Sprint(e.data["message"]), words) {
		t.Errorf("as events it ends with %+v", e)
	}
	if more, ok := next(); ok {
		t.Errorf("then %+v", more)
	}
}

const (
	shopReads  = "- {name: shop, token_sha256: TOKEN, roles: [reader]}\n"
	shopLocks  = "- {name: shop, token_sha256: TOKEN, roles: [locker]}\n"
	nobody     = "- {name: other, certificate: other, roles: [reader]}\n"
	shopShort  = "- {name: shop, token_sha256: TOKEN, roles: [reader], expires: 2027-01-15T08:01:00Z}\n" // a minute from now
	shopOther  = "- {name: another, token_sha256: TOKEN, roles: [reader]}\n"
	shopOrders = "- {name: shop, token_sha256: TOKEN, roles: [cashier]}\n"
	shopRules  = "- {name: shop, token_sha256: TOKEN, roles: [cashier, operator]}\n"
)

// A stream ends when its caller may no longer have it: at once when the list is read
// again, over gRPC and as events, in words that say why.
func TestAStreamEndsWithTheRightsOfItsCaller(t *testing.T) {
	for name, tt := range map[string]struct {
		entry  string
		code   codes.Code
		reason string
		words  string
	}{
		"taken off the list":    {nobody, codes.Unauthenticated, "UNAUTHENTICATED", "counts no more"},
		"without the role":      {shopLocks, codes.PermissionDenied, "PERMISSION_DENIED", "shop has not the role reader"},
		"the token of somebody": {shopOther, codes.Unauthenticated, "UNAUTHENTICATED", "counts no more"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListed(t, shopReads, time.Hour)
			s, next := l.watch(t), l.events(t)
			l.reload(t, tt.entry)
			_, err := s.Recv()
			if st := want(t, err, tt.code, tt.reason); !strings.Contains(st.Message(), "the stream ends: ") || !strings.Contains(st.Message(), tt.words) {
				t.Errorf("it says %q", st.Message())
			}
			endsWith(t, next, tt.reason, tt.words)
			l.becomes(t, "hisgate_streams", 0)
		})
	}
}

// Who stays, stays: a new list that has him does not touch his streams.
func TestAStreamGoesOnWhileItsCallerMayHaveIt(t *testing.T) {
	l := newListed(t, shopReads, time.Millisecond)
	s := l.watch(t)
	l.reload(t, nobody+strings.Replace(shopReads, "[reader]", "[locker, reader]", 1))
	l.clock.pass(1000 * time.Hour)
	if _, err := hisgatev1.NewLockServiceClient(l.conn).Lock(l.as(t), &hisgatev1.LockRequest{
		OrderNo: "R1", PharmacyId: pharmacy, Items: []*hisgatev1.LockItem{{DrugId: "00010041", Quantity: 7}},
	}); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Recv(); err != nil || m.GetStock().GetHeld() != 7 {
		t.Errorf("then %v, %v", m, err)
	}
}

// A token whose time is over ends its streams without anybody's doing.
func TestAStreamEndsWithItsToken(t *testing.T) {
	l := newListed(t, shopShort, time.Millisecond)
	s, next := l.watch(t), l.events(t)
	l.clock.pass(time.Minute)
	_, err := s.Recv()
	want(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
	endsWith(t, next, "UNAUTHENTICATED", "counts no more")
}

// An operator follows everybody's orders; who is one no longer does not go on with
// another's.
func TestAStreamOfAnOperatorEndsWithTheRole(t *testing.T) {
	l := newListed(t, shopRules, time.Hour)
	if _, err := l.orders.Create(t.Context(), payflow.CreateRequest{
		Principal: "somebody", OrderNo: "RX000001", Strategy: payflow.Hold, PharmacyID: pharmacy,
		Items: []payflow.Item{{DrugID: "00010041", Quantity: 1}},
	}); err != nil {
		t.Fatal(err)
	}
	s, err := hisgatev1.NewOrderServiceClient(l.conn).WatchOrder(l.as(t), &hisgatev1.WatchOrderRequest{OrderNo: "RX000001"})
	if err == nil {
		_, err = s.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	l.reload(t, shopOrders)
	_, err = s.Recv()
	want(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
}

// Also a stream that waits for its client is ended.
func TestAStreamThatWaitsForItsClientEnds(t *testing.T) {
	l := newListed(t, shopReads, time.Hour)
	s, err := reflectionpb.NewServerReflectionClient(l.conn).ServerReflectionInfo(l.as(t))
	if err == nil {
		err = s.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
	}
	if err == nil {
		_, err = s.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	l.reload(t, nobody)
	_, err = s.Recv()
	want(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
}
