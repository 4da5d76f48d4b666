package feeds

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/gatewaylocks"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

const (
	pharmacy = "HLWYF"
	drugs    = 100 // one stream of WatchStock
)

func drug(i int) string { return fmt.Sprintf("D%03d", i%drugs) }

func keyOf(i int) hisadapter.Key { return hisadapter.Key{PharmacyID: pharmacy, DrugID: drug(i)} }

// house is a HIS, and a hisgate that is watched over gRPC.
type house struct {
	his    *simhis.HIS
	gw     *gateway.Gateway
	conn   *grpc.ClientConn
	closes []func() error
}

func openHouse(ctx context.Context) (_ *house, err error) {
	h := &house{}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	caps := hisadapter.Capabilities{Find: true, IdempotentByHisNo: true, AtomicItems: true, BatchSize: drugs}
	var catalogue simhis.Catalogue
	for i := range drugs {
		catalogue.Drugs = append(catalogue.Drugs, simhis.Drug{ID: drug(i), Facts: hisadapter.Facts{Name: drug(i), Unit: "片"}})
		catalogue.Stock = append(catalogue.Stock, simhis.Stock{Key: keyOf(i), OnHand: 1})
	}
	if h.his, err = simhis.New(simhis.Config{Capabilities: caps, Catalogue: catalogue, Pace: simhis.Pace{Latency: 20 * time.Millisecond}}); err != nil {
		return nil, err
	}
	settings := gateway.DefaultSettings()
	committer := engine.NewCommitter(memengine.New(memengine.Options{}), engine.CommitterOptions{})
	h.closes = append(h.closes, committer.Close)
	ledger, err := lockstore.Open(ctx, lockstore.Options{Committer: committer, Policy: gateway.Policy(caps, settings)})
	if err != nil {
		return nil, err
	}
	h.closes = append(h.closes, ledger.Close)
	driver, err := guard.New(h.his.Driver(), guard.DefaultSettings(), guard.Deps{})
	if err != nil {
		return nil, err
	}
	if h.gw, err = gateway.Open(gateway.Options{HIS: driver, Ledger: ledger, Settings: settings}); err != nil {
		return nil, err
	}
	h.closes = append(h.closes, func() error { h.gw.Close(context.WithoutCancel(ctx)); return nil })
	orders, err := payflow.Open(ctx, payflow.Options{Committer: committer, Locks: gatewaylocks.New(h.gw), Settings: payflow.Default()})
	if err != nil {
		return nil, err
	}
	edge, err := server.New(server.Options{Gateway: h.gw, Orders: orders, Guard: driver.State})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- edge.GRPC().Serve(l) }()
	h.closes = append(h.closes, func() error { edge.GRPC().Stop(); return <-served })
	if h.conn, err = grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		return nil, err
	}
	h.closes = append(h.closes, h.conn.Close)
	return h, nil
}

// close ends all, the last opened first.
func (h *house) close() error {
	var errs []error
	for i := len(h.closes) - 1; i >= 0; i-- {
		errs = append(errs, h.closes[i]())
	}
	return errors.Join(errs...)
}

// watch calls seen for every figure of every drug, until ctx ends. It returns when
// the first figure of each was seen.
func (h *house) watch(ctx context.Context, seen func(drug string, onHand int64)) error {
	r := &hisgatev1.WatchStockRequest{PharmacyId: pharmacy}
	for i := range drugs {
		r.DrugIds = append(r.DrugIds, drug(i))
	}
	stream, err := hisgatev1.NewStockServiceClient(h.conn).WatchStock(ctx, r)
	if err != nil {
		return err
	}
	first := map[string]bool{}
	for len(first) < drugs {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		first[m.GetKey().GetDrugId()] = true
	}
	go func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				return // ctx ended
			}
			if s := m.GetStock(); s != nil {
				seen(s.GetDrugId(), s.GetOnHand())
			}
		}
	}()
	return nil
}
