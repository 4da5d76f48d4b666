package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/systems"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// op is one call; i is its number.
type op func(ctx context.Context, i int64) error

// session is how the callers reach one system.
type session struct {
	conn  *grpc.ClientConn
	http  *http.Client
	base  string
	drugs []string // lockDrugs of them
}

func dial(a addresses, drugs []string) (*session, error) {
	conn, err := grpc.NewClient("passthrough:///"+a.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	t := &http.Transport{MaxIdleConnsPerHost: inFlight, MaxConnsPerHost: inFlight, DisableCompression: true}
	return &session{conn: conn, http: &http.Client{Transport: t, Timeout: 30 * time.Second}, base: "http://" + a.HTTP, drugs: drugs}, nil
}

func (s *session) close() error {
	s.http.CloseIdleConnections()
	return s.conn.Close()
}

// drug is that of call i.
func (s *session) drug(i int64, hot bool) string {
	if hot {
		return s.drugs[0]
	}
	return systems.Basket(s.drugs, 1, i)[0]
}

func emptyOverGRPC(s *session, _, _ bool) op {
	return func(ctx context.Context, _ int64) error {
		return s.conn.Invoke(ctx, emptyMethod, &emptypb.Empty{}, &emptypb.Empty{})
	}
}

func lockOverGRPC(s *session, hot, live bool) op {
	c := hisgatev1.NewLockServiceClient(s.conn)
	return func(ctx context.Context, i int64) error {
		l, err := c.Lock(ctx, &hisgatev1.LockRequest{
			OrderNo: orderNo(i, live), PharmacyId: pharmacy, Ttl: durationpb.New(30 * time.Minute),
			Items: []*hisgatev1.LockItem{{DrugId: s.drug(i, hot), Quantity: 1}},
		})
		if err == nil && l.GetStatus() != hisgatev1.Lock_LOCKED {
			err = fmt.Errorf("order %d is %s", i, l.GetStatus())
		}
		return err
	}
}

// healthOverGRPC asks hisgate for nothing: its answer is as good as empty, and the way
// there is that of every call.
func healthOverGRPC(s *session, _, _ bool) op {
	c := healthpb.NewHealthClient(s.conn)
	return func(ctx context.Context, _ int64) error {
		_, err := c.Check(ctx, &healthpb.HealthCheckRequest{})
		return err
	}
}

func stockOverGRPC(s *session, _, _ bool) op {
	c := hisgatev1.NewStockServiceClient(s.conn)
	return func(ctx context.Context, i int64) error {
		g, err := c.GetStock(ctx, &hisgatev1.GetStockRequest{PharmacyId: pharmacy, DrugId: s.drugs[i%stockDrugs]})
		if err == nil && g.GetAvailable() <= 0 {
			err = errors.New("no stock")
		}
		return err
	}
}

func stockOverREST(s *session, _, _ bool) op {
	return func(ctx context.Context, i int64) error {
		return s.exchange(ctx, http.MethodGet, "/v1/stock/"+s.drugs[i%stockDrugs]+"?pharmacy_id="+pharmacy, "")
	}
}

func batchOverREST(s *session, _, _ bool) op {
	return func(ctx context.Context, i int64) error {
		keys := make([]string, batchDrugs)
		for j := range keys {
			keys[j] = fmt.Sprintf(`{"pharmacy_id":%q,"drug_id":%q}`, pharmacy, s.drugs[(i+int64(j))%stockDrugs])
		}
		return s.exchange(ctx, http.MethodPost, "/v1/stock:batchGet", `{"keys":[`+strings.Join(keys, ",")+`]}`)
	}
}

func lockOverREST(s *session, hot, live bool) op {
	return func(ctx context.Context, i int64) error {
		return s.exchange(ctx, http.MethodPost, "/v1/locks", fmt.Sprintf(
			`{"order_no":%q,"pharmacy_id":%q,"items":[{"drug_id":%q,"quantity":"1"}],"ttl":"1800s"}`, orderNo(i, live), pharmacy, s.drug(i, hot)))
	}
}

// orderNo numbers the orders; those of the live case, which another hisgate has,
// apart.
func orderNo(i int64, live bool) string {
	if live {
		return "L" + systems.OrderNo(i)
	}
	return systems.OrderNo(i)
}

func (s *session) exchange(ctx context.Context, method, path, body string) error {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.base+path, content)
	if err != nil {
		return err
	}
	resp, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, said)
	}
	return err
}
