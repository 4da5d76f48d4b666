package payflow_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
)

// saboteur pulls the plug at the n-th durable step of a run, before or after the
// step reaches the disk.
type saboteur struct {
	mu      sync.Mutex
	at      int
	applies int
	met     chan struct{}
	goOn    chan struct{}
}

func (s *saboteur) sync() {
	s.mu.Lock()
	s.applies++
	hit := s.applies == s.at
	s.mu.Unlock()
	if hit {
		close(s.met)
		<-s.goOn
	}
}

func (s *saboteur) wasMet() bool {
	select {
	case <-s.met:
		return true
	default:
		return false
	}
}

// client repeats what it does until it gets a definite answer, as callers and
// WeChat do.
type client struct {
	*house
	mu sync.Mutex // the service in use
}

func (c *client) service() *payflow.Service {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.svc
}

func (c *client) insist(what string, f func(*payflow.Service) error) {
	for range 300 {
		err := f(c.service())
		if err == nil {
			return
		}
		if !errors.Is(err, payflow.ErrStopped) {
			c.Logf("%s: %v", what, err)
		}
		time.Sleep(time.Second)
	}
	c.Errorf("%s: never answered", what)
}

func (c *client) order(s payflow.Strategy) {
	c.insist("create", func(v *payflow.Service) error {
		_, err := v.Create(c.Context(), request("ORDER-1", s))
		return err
	})
	if s == payflow.Hold {
		c.insist("prepay", func(v *payflow.Service) error {
			_, err := v.Prepay(c.Context(), payflow.PrepayRequest{Principal: "web", OrderNo: "ORDER-1"})
			return err
		})
	}
	c.insist("payment ready", func(v *payflow.Service) error {
		o, err := v.Get(c.Context(), "web", "ORDER-1")
		if err == nil && o.Next() != payflow.NextPay {
			err = fmt.Errorf("next is %s", o.Next())
		}
		return err
	})
}

func (c *client) notify(tx payflow.Transaction) {
	c.insist("callback", func(v *payflow.Service) error { return v.PaymentCallback(c.Context(), notice(tx)) })
}

// TestRestartAtEveryDurableStep crashes once at each durable step of each story,
// losing or keeping the batch in flight; the end is the same every time.
func TestRestartAtEveryDurableStep(t *testing.T) {
	type end struct {
		state   payflow.State
		left    int64 // of drug A
		made    int   // HIS orders
		refunds map[string]int64
	}
	stories := map[string]struct {
		play func(*client, payflow.Strategy)
		end  func(payflow.Strategy) end
	}{
		"paid": {
			func(c *client, s payflow.Strategy) {
				c.order(s)
				c.notify(c.pay.pay("ORDER-1"))
			},
			func(payflow.Strategy) end { return end{payflow.Fulfilled, 7, 1, nil} },
		},
		"expired": {
			func(c *client, s payflow.Strategy) {
				c.order(s)
				time.Sleep(time.Hour)
			},
			func(payflow.Strategy) end { return end{payflow.Closed, 10, 0, nil} },
		},
		"cancelled, and paid late": {
			func(c *client, s payflow.Strategy) {
				c.order(s)
				c.insist("cancel", func(v *payflow.Service) error {
					o, err := v.Cancel(c.Context(), payflow.CancelRequest{Principal: "web", OrderNo: "ORDER-1"})
					if err == nil && o.State != payflow.Closed {
						err = fmt.Errorf("is %s", o.State)
					}
					return err
				})
				time.Sleep(time.Minute)
				c.pay.answerRefunds(payflow.RefundSuccess)
				c.notify(c.pay.pay("ORDER-1"))
			},
			func(payflow.Strategy) end { return end{payflow.Refunded, 10, 0, map[string]int64{"ORDER-1-R1": 1000}} },
		},
		"gone after payment": {
			func(c *client, s payflow.Strategy) {
				c.order(s)
				if s == payflow.Verify || s == payflow.Refund {
					c.locks.sell("A", 9)
				} else {
					for range 20 {
						c.locks.on("confirm", c.locks.refuseConfirm("ORDER-1", "insufficient"))
					}
					c.locks.sell("A", 6) // what is given back does not suffice for another attempt
				}
				tx := c.pay.pay("ORDER-1")
				c.notify(tx)
				c.insist("refund accepted", func(v *payflow.Service) error {
					o, err := v.Get(c.Context(), "web", "ORDER-1")
					if err == nil && (len(o.Refunds) == 0 || o.Refunds[0].AcceptedAt.IsZero()) {
						err = fmt.Errorf("is %s", o.State)
					}
					return err
				})
				a := c.pay.set("ORDER-1-R1", payflow.RefundSuccess)
				c.insist("refund notice", func(v *payflow.Service) error { return v.RefundCallback(c.Context(), notice(a)) })
			},
			func(s payflow.Strategy) end {
				left := int64(4)
				if s == payflow.Verify || s == payflow.Refund {
					left = 1
				}
				return end{payflow.Refunded, left, 0, map[string]int64{"ORDER-1-R1": 1000}}
			},
		},
	}
	for name, story := range stories {
		for _, s := range strategies {
			for _, keep := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s, in flight kept %v", s, name, keep), func(t *testing.T) {
					t.Parallel()
					for at := 1; ; at++ {
						if at > 60 {
							t.Fatal("the story never ends")
						}
						met := false
						bad := &saboteur{at: at, met: make(chan struct{}), goOn: make(chan struct{})}
						inDisk(t, memengine.Options{Sync: bad.sync}, func(h *house) {
							bad.met, bad.goOn = make(chan struct{}), make(chan struct{}) // of this bubble
							c := &client{house: h}
							done, quit := make(chan struct{}), make(chan struct{})
							go func() {
								defer close(done)
								select {
								case <-bad.met:
								case <-quit:
									return
								}
								var next *memengine.Engine
								if keep {
									next = h.disk.CrashKeepingInFlight()
								} else {
									next = h.disk.Crash()
								}
								close(bad.goOn)
								c.mu.Lock()
								defer c.mu.Unlock()
								h.close()
								h.disk = next
								h.open()
							}()
							story.play(c, s)
							h.wait(10 * time.Minute)
							met = bad.wasMet()
							close(quit)
							<-done
							want := story.end(s)
							o := h.is("ORDER-1", want.state)
							if got := h.pay.sentRefunds(); !maps.Equal(got, want.refunds) {
								t.Errorf("step %d: refunds %v, want %v", at, got, want.refunds)
							}
							if left, made := h.locks.left("A"), h.locks.made(); left != want.left || len(made) != want.made {
								t.Errorf("step %d: left %d, HIS orders %v, want %+v; history %+v", at, left, made, want, o.History)
							}
							if n := len(slices.Compact(slices.Clone(h.pay.bodies["ORDER-1"]))); n != 1 {
								t.Errorf("step %d: %d different prepays", at, n)
							}
							h.noCases()
							h.proven()
						})
						if !met {
							if at < 6 {
								t.Fatalf("only %d durable steps", at)
							}
							return
						}
					}
				})
			}
		}
	}
}

func TestRestartKeepsHistoryAndDeadline(t *testing.T) {
	inHouse(t, func(h *house) {
		before := h.create("ORDER-1", payflow.Reserve)
		h.crash()
		after := h.get("ORDER-1")
		if !after.PayDeadline.Equal(before.PayDeadline) || len(after.History) != len(before.History) || after.Version != before.Version {
			t.Errorf("before %+v, after %+v", before, after)
		}
		h.wait(29 * time.Minute)
		h.crash()
		h.wait(2 * time.Minute)
		h.is("ORDER-1", payflow.Closed)
	})
}
