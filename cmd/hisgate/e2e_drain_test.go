package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/payflow/wechatsim"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// crowd asks for locks over REST and gRPC, and for orders, until it is turned
// away, and remembers what was acknowledged.
type crowd struct {
	mu            sync.Mutex
	locks, orders []string
	wg            sync.WaitGroup
}

func (c *crowd) acknowledged() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.locks) + len(c.orders)
}

// send has so many clients ask, each one call after the other.
func (c *crowd) send(p *process, locks hisgatev1.LockServiceClient) {
	keep := func(to *[]string, no string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		*to = append(*to, no)
	}
	for n := range 3 {
		c.wg.Go(func() {
			for i := 0; ; i++ {
				no := fmt.Sprintf("DRAIN-REST-%d-%d", n, i)
				got, err := p.try(http.MethodPost, "/v1/locks", lockJSON(no, "D1", 1, "600s"))
				if err != nil || got.status != http.StatusOK {
					return
				}
				keep(&c.locks, no)
			}
		})
		c.wg.Go(func() {
			for i := 0; ; i++ {
				no := fmt.Sprintf("DRAIN-GRPC-%d-%d", n, i)
				_, err := locks.Lock(context.Background(), &hisgatev1.LockRequest{
					OrderNo: no, PharmacyId: simhis.DemoPharmacy, Items: []*hisgatev1.LockItem{{DrugId: "D1", Quantity: 1}},
				})
				if err != nil {
					return
				}
				keep(&c.locks, no)
			}
		})
		c.wg.Go(func() {
			for i := 0; ; i++ {
				no := fmt.Sprintf("E2E-DRAIN-%d-%d", n, i)
				got, err := p.try(http.MethodPost, "/v1/orders", orderJSON(no, "RESERVE", "D1", 1))
				if err != nil || got.status != http.StatusOK {
					return
				}
				keep(&c.orders, no)
			}
		})
	}
}

// In the middle of a load hisgate is told to stop. It shuts REST, gRPC and the
// callbacks in this order; the call under way gets its answer; a payment that
// WeChat tells of meanwhile is taken; it ends well within its one deadline; and
// the next one has all that was acknowledged.
func TestDrainUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.cfg.Listen.Webhook = "127.0.0.1:0"
	w.cfg.HIS.Guard.WriteTimeout, w.cfg.ShutdownTimeout = 2*time.Minute, 2*time.Minute // for a call that is held
	w.cfg.HIS.Guard.Rate, w.cfg.HIS.Guard.Burst, w.cfg.HIS.Guard.Concurrency = 1000, 1000, 8
	w.shelve("D1", 1_000_000)
	p := w.run(command(t, "hisgate", "serve", "-c", w.writeConfig()))
	conn, err := grpc.NewClient("passthrough:///"+p.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	locks := hisgatev1.NewLockServiceClient(conn)
	p.create("E2E-PAIDLATE", "RESERVE", "D1", 1)
	held := w.gate.hold(t, freezing, beforeIt)
	underWay := make(chan error, 1)
	go func() {
		l, err := locks.Lock(context.Background(), &hisgatev1.LockRequest{
			OrderNo: "DRAIN-UNDERWAY", PharmacyId: simhis.DemoPharmacy, Items: []*hisgatev1.LockItem{{DrugId: "D1", Quantity: 1}},
		})
		if err == nil {
			err = want("the lock under way", l.GetStatus(), hisgatev1.Lock_LOCKED)
		}
		underWay <- err
	}()
	held.wait(t)
	c := &crowd{}
	c.send(p, locks)
	eventually(t, "a load", func() error { return want("that calls are answered", c.acknowledged() > 100, true) })
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// REST is shut first, and the rest waits for it.
	eventually(t, "REST is shut", func() error {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.base, "http://"))
		if err != nil {
			return nil
		}
		conn.Close()
		return errors.New("it still takes connections")
	})
	if got := (api{t: t, base: p.ops}).get("/readyz"); got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), "shutting down") {
		t.Errorf("/readyz says %d %s", got.status, got.body)
	}
	// WeChat's callbacks are taken to the last.
	w.pay("E2E-PAIDLATE")
	eventually(t, "the notice", func() error {
		for _, n := range w.sims.WeChat.Ledger().Notices {
			if n.OutTradeNo == "E2E-PAIDLATE" && n.Delivered && n.Attempts[0].Status == http.StatusOK {
				return nil
			}
		}
		return errors.New("not taken")
	})
	held.release()
	if err := <-underWay; err != nil {
		t.Errorf("the call under way: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-p.ended:
	case <-ctx.Done():
		t.Fatal("it does not end")
	}
	if p.err != nil || !strings.Contains(p.log.String(), `"msg":"stopped"`) {
		t.Errorf("it ended with %v:\n%s", p.err, p.log.tail(5))
	}
	c.wg.Wait()

	w.wechatFault(wechatsim.Fault{Kind: wechatsim.KindStatus, Times: -1}) // only the folder knows of the payment
	next := w.start()
	next.await("E2E-PAIDLATE", hisgatev1.Order_FULFILLED)
	w.sims.WeChat.ClearFaults()
	for _, no := range append(c.locks, "DRAIN-UNDERWAY") {
		if l := next.get("/v1/locks/" + no).lock(t); l.GetStatus() != hisgatev1.Lock_LOCKED {
			t.Errorf("%s, which was acknowledged, is %s", no, l.GetStatus())
		}
	}
	for _, no := range c.orders {
		if o := next.get("/v1/orders/" + no).order(t); o.GetOrderNo() != no {
			t.Errorf("%s, which was acknowledged, is %v", no, o)
		}
	}
	for _, s := range w.sims.HIS.Books().Oversold() {
		t.Errorf("oversold: %+v", s)
	}
}

// A folder that cannot be closed, here because somebody removed it, does not keep
// hisgate from ending: its one deadline holds for the folder too.
func TestAFolderThatCannotBeClosedDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.cfg.ShutdownTimeout = time.Second
	p := w.run(command(t, "hisgate", "serve", "-c", w.writeConfig()))
	if err := os.RemoveAll(w.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	select {
	case <-p.ended:
	case <-ctx.Done():
		t.Fatal("it does not end")
	}
	if exit := (*exec.ExitError)(nil); !errors.As(p.err, &exit) || exit.ExitCode() != exitNo || !strings.Contains(lastLine([]byte(p.log.String())), "cannot be closed") {
		t.Errorf("it ended with %v:\n%s", p.err, p.log.tail(3))
	}
}
