package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
)

const (
	// reachEvery is the pause between two tries to reach a system that was not
	// reached yet.
	reachEvery = 10 * time.Second
	// reachNo is asked for at the HIS: a number that no order has.
	reachNo = "HISGATE-HELLO"
)

// reach says whether the outside systems were reached since the start. The
// program starts without them; from the first answer on, breaker and channel
// know more.
type reach struct {
	his    hisadapter.Driver
	wechat *wechat.Channel // nil while payment is disabled
	orders *payflow.Service
	log    *slog.Logger
	skew   func() (ahead time.Duration, known bool) // of our clock over the HIS's; nil = nobody sees it
	known  func() bool                              // whether it shows elsewhere that the HIS cannot be asked
	away   atomic.Pointer[string]                   // why the HIS was not reached; nil = it was, or nobody knows yet
}

// run tries until both have answered or ctx ends. It only reads.
func (r *reach) run(ctx context.Context) error {
	tick := time.NewTicker(reachEvery)
	defer tick.Stop()
	hisDone := !r.his.Capabilities().Find // there is no harmless question then
	wechatDone := r.wechat == nil
	for {
		hisDone = hisDone || r.askHIS(ctx)
		wechatDone = wechatDone || r.askWeChat(ctx)
		if hisDone && wechatDone {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *reach) askHIS(ctx context.Context) bool {
	_, err := r.his.FindOrder(guard.WithClass(ctx, guard.ClassRefresh), reachNo)
	switch hisadapter.OutcomeOf(err) {
	case hisadapter.Done, hisadapter.Refused, hisadapter.Find:
		if r.away.Swap(nil) != nil {
			r.log.Info("the HIS answers")
		}
		return true
	}
	why := fmt.Sprintf("his: not reached since the start: %v", err)
	if r.away.Swap(&why) == nil && ctx.Err() == nil {
		r.log.Warn("the HIS does not answer; stock cannot be read or held until it does", "error", err)
	}
	return false
}

func (r *reach) askWeChat(ctx context.Context) bool {
	err := r.wechat.Ping(ctx)
	if err != nil && ctx.Err() == nil {
		r.log.Warn("WeChat Pay does not answer as it should; orders wait until it does", "error", err)
	}
	return err == nil
}

// health says what could not be reached, and whether money waits that nobody
// works on; nil is good news.
func (r *reach) health() []string {
	var out []string
	if n := r.orders.Unworked(); n > 0 {
		out = append(out, fmt.Sprintf("orders: payment is disabled, and the data folder holds %d orders and notices that nobody works on", n))
	}
	if why := r.away.Load(); why != nil && !r.known() {
		out = append(out, *why)
	}
	if r.skew != nil {
		if ahead, _ := r.skew(); ahead.Abs() >= skewRed {
			out = append(out, fmt.Sprintf("his: our clock is %s ahead of the HIS's", ahead.Round(time.Second)))
		}
	}
	if r.wechat != nil {
		if err := r.wechat.Health(); err != nil {
			out = append(out, "wechat: "+err.Error())
		}
	}
	return out
}
