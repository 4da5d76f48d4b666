package payflow_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/payflow"
)

// morning lets time pass until a quarter past ten in Beijing on the next day, when yesterday has been compared.
func (h *house) morning() string {
	h.Helper()
	now := time.Now().In(beijing)
	y, m, d := now.Date()
	h.wait(time.Date(y, m, d+1, 10, 15, 0, 0, beijing).Sub(now))
	return dayOf(now)
}

func (h *house) reportOf(day string) payflow.Reconciliation {
	h.Helper()
	r, err := h.svc.GetReconciliation(h.Context(), day)
	if err != nil {
		h.Fatalf("report of %s: %v", day, err)
	}
	return r
}

// compared wants the day DONE and returns its report.
func (h *house) compared(day string) payflow.Reconciliation {
	h.Helper()
	r := h.reportOf(day)
	if r.Status != payflow.ReconciliationDone {
		h.Fatalf("%s is %s: %s", day, r.Status, r.Failure)
	}
	return r
}

func TestADayThatAgrees(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.paid("ORDER-2", payflow.Verify)
		h.create("ORDER-3", payflow.Reserve) // never paid
		day := h.morning()
		r := h.compared(day)
		if len(r.Differences) > 0 || len(r.NotCompared) > 0 {
			t.Errorf("%+v", r)
		}
		two := payflow.Sum{Count: 2, Fen: 2000}
		if r.Payments != two || r.BillPayments != two || r.Fulfilled != two || r.HISOrders != two || r.Matched != 2 || r.HISMatched != 2 || !r.HISListed {
			t.Errorf("%+v", r)
		}
		h.noCases()
		h.wait(20 * time.Hour)
		if h.svc.Stats().Reconcile.Late {
			t.Error("late, and every day is compared")
		}
	})
}

// again has a day compared once more and returns its report.
func (h *house) again(day string) payflow.Reconciliation {
	h.Helper()
	if _, err := h.svc.RunReconciliation(h.Context(), day, "cashier Wu"); err != nil {
		h.Fatal(err)
	}
	return h.compared(day)
}

// same compares two reports but for what each run has of its own.
func (h *house) same(a, b payflow.Reconciliation) {
	h.Helper()
	for _, r := range []*payflow.Reconciliation{&a, &b} {
		r.Runs, r.StartedAt, r.FinishedAt, r.By = 0, time.Time{}, time.Time{}, ""
	}
	if diff := cmp.Diff(a, b); diff != "" {
		h.Errorf("the second run reports something else (+):\n%s", diff)
	}
}

// without is a bill that misses what drop names.
func without(drop func(payflow.BillRow) bool) func(string, []payflow.BillRow) []payflow.BillRow {
	return func(_ string, rows []payflow.BillRow) []payflow.BillRow { return slices.DeleteFunc(rows, drop) }
}

// changed is a bill with its rows altered.
func changed(alter func(*payflow.BillRow)) func(string, []payflow.BillRow) []payflow.BillRow {
	return func(_ string, rows []payflow.BillRow) []payflow.BillRow {
		for i := range rows {
			alter(&rows[i])
		}
		return rows
	}
}

// refunded makes a paid order whose money is back, by an operator.
func (h *house) refunded(no string) {
	h.Helper()
	h.paid(no, payflow.Reserve)
	h.pay.answerRefunds(payflow.RefundSuccess)
	if _, err := h.svc.Refund(h.Context(), payflow.RefundRequest{
		OrderNo: no, Fen: 100, Reason: "少发", Actor: "boss", RequestID: "r-" + no, Fulfilled: true,
	}); err != nil {
		h.Fatal(err)
	}
	h.wait(2 * time.Minute)
	if o := h.is(no, payflow.Fulfilled); o.RefundedFen != 100 {
		h.Fatalf("refunded %d", o.RefundedFen)
	}
}

// TestDifferences: each kind of difference becomes what it should, once, and the
// same again when the day is compared a second and a third time.
func TestDifferences(t *testing.T) {
	for name, tt := range map[string]struct {
		play    func(h *house)
		kind    payflow.DifferenceKind
		reason  payflow.CaseReason // "" = no case
		state   payflow.State      // of ORDER-1 afterwards, "" = there is none
		fen     [2]int64           // theirs, ours
		settled bool               // the second run finds it gone
	}{
		"paid at WeChat, no such order here": {
			play: func(h *house) {
				h.pay.stranger("NOBODY-1", "tx9", 77)
			},
			kind: payflow.DiffUnknownPayment, reason: payflow.CaseUnknownOrder, fen: [2]int64{77, 0},
		},
		"refunded at WeChat, no such order here": {
			play: func(h *house) { h.pay.console("NOBODY-1", "CONSOLE-1", 5) },
			kind: payflow.DiffUnknownRefund, reason: payflow.CaseUnknownOrder, fen: [2]int64{5, 0},
		},
		"the bill speaks of an order that WeChat does not know": {
			play: func(h *house) {
				h.pay.bills(func(_ string, rows []payflow.BillRow) []payflow.BillRow {
					return append(rows, payflow.BillRow{OrderNo: "NOBODY-1", TransactionID: "tx9", State: "SUCCESS", OrderFen: 5})
				})
			},
			kind: payflow.DiffState, reason: payflow.CaseBillMismatch, fen: [2]int64{5, 0},
		},
		"paid while nobody looked": {
			play: func(h *house) {
				h.create("ORDER-1", payflow.Reserve)
				h.wait(time.Hour)
				h.is("ORDER-1", payflow.Closed)
				h.pay.pay("ORDER-1") // WeChat took it all the same, and no notice came
			},
			kind: payflow.DiffUnnoticed, state: payflow.Fulfilled, fen: [2]int64{1000, 0}, settled: true,
		},
		"paid after the patient cancelled, while nobody looked": {
			play: func(h *house) {
				h.create("ORDER-1", payflow.Reserve)
				if _, err := h.svc.Cancel(h.Context(), payflow.CancelRequest{OrderNo: "ORDER-1"}); err != nil {
					h.Fatal(err)
				}
				h.wait(time.Hour)
				h.pay.pay("ORDER-1")
			},
			kind: payflow.DiffUnnoticed, state: payflow.Refunding, fen: [2]int64{1000, 0}, settled: true,
		},
		"the bill names another amount": {
			play: func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.pay.bills(changed(func(r *payflow.BillRow) { r.OrderFen++ }))
			},
			kind: payflow.DiffAmount, reason: payflow.CaseBillMismatch, state: payflow.Fulfilled, fen: [2]int64{1001, 1000},
		},
		"the bill names a smaller amount": {
			play: func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.pay.bills(changed(func(r *payflow.BillRow) { r.OrderFen-- }))
			},
			kind: payflow.DiffAmount, reason: payflow.CaseBillMismatch, state: payflow.Fulfilled, fen: [2]int64{999, 1000},
		},
		"paid here, not in the bill": {
			play: func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.pay.bills(without(func(payflow.BillRow) bool { return true }))
			},
			kind: payflow.DiffNoPayment, reason: payflow.CaseBillMissing, state: payflow.Fulfilled, fen: [2]int64{0, 1000},
		},
		"refunded here, not in the bill": {
			play: func(h *house) {
				h.refunded("ORDER-1")
				h.pay.bills(without(func(r payflow.BillRow) bool { return r.OutRefundNo != "" }))
			},
			kind: payflow.DiffNoRefund, reason: payflow.CaseBillMissing, state: payflow.Fulfilled, fen: [2]int64{0, 100},
		},
		"another amount was refunded": {
			play: func(h *house) {
				h.refunded("ORDER-1")
				h.pay.bills(changed(func(r *payflow.BillRow) {
					if r.OutRefundNo != "" {
						r.RefundFen = 99
					}
				}))
			},
			kind: payflow.DiffAmount, reason: payflow.CaseBillMismatch, state: payflow.Fulfilled, fen: [2]int64{99, 100},
		},
		"more was refunded": {
			play: func(h *house) {
				h.refunded("ORDER-1")
				h.pay.bills(changed(func(r *payflow.BillRow) {
					if r.OutRefundNo != "" {
						r.RefundFen = 101
					}
				}))
			},
			kind: payflow.DiffAmount, reason: payflow.CaseBillMismatch, state: payflow.Fulfilled, fen: [2]int64{101, 100},
		},
		"a refund that WeChat closed after it was done": {
			play: func(h *house) {
				h.refunded("ORDER-1")
				h.pay.set("ORDER-1-R1", payflow.RefundClosed)
			},
			kind: payflow.DiffState, reason: payflow.CaseBillMismatch, state: payflow.Fulfilled, fen: [2]int64{100, 100},
		},
		"refunded in the merchant console": {
			play: func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.pay.console("ORDER-1", "CONSOLE-1", 300)
			},
			kind: payflow.DiffElsewhere, reason: payflow.CaseConsoleRefund, state: payflow.Fulfilled, fen: [2]int64{300, 0},
		},
		"an order at the HIS that nobody made": {
			play: func(h *house) {
				h.locks.lists(func(day string, list []payflow.HISOrder) []payflow.HISOrder {
					if day == "2000-01-01" {
						list = append(list, payflow.HISOrder{HisNo: "STRANGE-7", HisOrderNo: "DJ7", DrugsFen: 9})
					}
					return list
				})
			},
			kind: payflow.DiffHISUnmatched, reason: payflow.CaseHISUnmatched, fen: [2]int64{9, 0},
		},
		"an order at the HIS of an order that was closed": {
			play: func(h *house) {
				h.create("ORDER-1", payflow.Reserve)
				h.wait(time.Hour)
				h.locks.lists(func(day string, list []payflow.HISOrder) []payflow.HISOrder {
					if day == "2000-01-01" {
						list = append(list, payflow.HISOrder{HisNo: "ORDER-1-1", HisOrderNo: "DJ7", OrderNo: "ORDER-1", DrugsFen: 1000})
					}
					return list
				})
			},
			kind: payflow.DiffHISUnmatched, reason: payflow.CaseHISUnmatched, state: payflow.Closed, fen: [2]int64{1000, 1000},
		},
		"a second order at the HIS": {
			play: func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.locks.lists(func(day string, list []payflow.HISOrder) []payflow.HISOrder {
					if day == "2000-01-01" {
						list = append(list, payflow.HISOrder{HisNo: "ORDER-1-1", HisOrderNo: "DJ7", OrderNo: "ORDER-1", DrugsFen: 1000})
					}
					return list
				})
			},
			kind: payflow.DiffHISUnmatched, reason: payflow.CaseHISUnmatched, state: payflow.Fulfilled, fen: [2]int64{1000, 1000},
		},
		"fulfilled here, no order at the HIS": {
			play: func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.locks.lists(func(string, []payflow.HISOrder) []payflow.HISOrder { return nil })
			},
			kind: payflow.DiffHISMissing, reason: payflow.CaseHISMissing, state: payflow.Fulfilled, fen: [2]int64{0, 1000},
		},
		"cancelled at the HIS": {
			play: func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.locks.cancelOrder("ORDER-1")
			},
			kind: payflow.DiffHISCancelled, reason: payflow.CaseHISCancelled, state: payflow.Fulfilled, fen: [2]int64{1000, 1000},
		},
		"another amount at the HIS": {
			play: func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.locks.lists(func(_ string, list []payflow.HISOrder) []payflow.HISOrder {
					for i := range list {
						list[i].DrugsFen = 999
					}
					return list
				})
			},
			kind: payflow.DiffHISAmount, reason: payflow.CaseHISAmount, state: payflow.Fulfilled, fen: [2]int64{999, 1000},
		},
		"a larger amount at the HIS": {
			play: func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.locks.lists(func(_ string, list []payflow.HISOrder) []payflow.HISOrder {
					for i := range list {
						list[i].DrugsFen = 1001
					}
					return list
				})
			},
			kind: payflow.DiffHISAmount, reason: payflow.CaseHISAmount, state: payflow.Fulfilled, fen: [2]int64{1001, 1000},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.paid("ORDER-0", payflow.Verify) // which agrees, unless the play changes all
				h.locks.fenOf("ORDER-0", 1000)
				tt.play(h)
				day := h.morning()
				first := h.compared(day)
				mine := slices.DeleteFunc(slices.Clone(first.Differences), func(d payflow.Difference) bool { return d.OrderNo == "ORDER-0" })
				if len(mine) != 1 {
					t.Fatalf("differences %+v", first.Differences)
				}
				d := mine[0]
				if d.Kind != tt.kind || [2]int64{d.TheirsFen, d.OursFen} != tt.fen || (d.CaseID != "") != (tt.reason != "") || d.Gone {
					t.Errorf("difference %+v", d)
				}
				if tt.state != "" {
					h.is("ORDER-1", tt.state)
				}
				if tt.reason != "" {
					c, err := h.svc.GetCase(h.Context(), d.CaseID)
					if err != nil || c.Reason != tt.reason || !c.Open || c.Text.ZH == "" || c.Text.EN == "" || c.Deadline.IsZero() || c.Owner == "" {
						t.Errorf("case %+v, %v", c, err)
					}
				}
				open := h.openCases()
				second := h.again(day)
				if tt.settled {
					if len(second.Differences) != len(first.Differences) || !second.Differences[len(second.Differences)-1].Gone || second.Open() != first.Open()-1 {
						t.Errorf("second run %+v", second.Differences)
					}
				} else {
					h.same(first, second)
				}
				h.same(second, h.again(day))
				if diff := cmp.Diff(open, h.openCases()); diff != "" {
					t.Errorf("cases of the second run (+):\n%s", diff)
				}
				h.crash()
				h.same(second, h.again(day))
				if w := second.Summary(); !strings.Contains(w.EN, day) || !strings.Contains(w.ZH, d.OrderNo) {
					t.Errorf("summary %+v", w)
				}
			})
		})
	}
}

// openCases names the open cases with their repeats.
func (h *house) openCases() []string {
	h.Helper()
	cs, _, err := h.svc.ListCases(h.Context(), payflow.CaseQuery{OpenOnly: true})
	if err != nil {
		h.Fatal(err)
	}
	var out []string
	for _, c := range cs {
		out = append(out, fmt.Sprint(c.ID, " ", c.Reason, " ", c.Repeats))
	}
	return out
}

// TestSettledCasesStaySettled: what a person settled, or what is gone, opens no second case.
func TestSettledCasesStaySettled(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.paid("ORDER-2", payflow.Verify)
		h.pay.bills(without(func(payflow.BillRow) bool { return true }))
		day := h.morning()
		first := h.compared(day)
		if len(first.Differences) != 2 {
			t.Fatalf("%+v", first.Differences)
		}
		c, err := h.svc.GetCase(h.Context(), first.Differences[0].CaseID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.svc.Settle(h.Context(), payflow.VerbRequest{CaseID: c.ID, Etag: c.Etag(), RequestID: "1", Actor: "Wu"}); err == nil {
			t.Error("settled without a note")
		}
		if _, err := h.svc.Settle(h.Context(), verb(c, "1")); err != nil {
			t.Fatal(err)
		}
		h.again(day)
		if open := h.openCases(); len(open) != 1 {
			t.Errorf("open %v", open)
		}
		h.pay.bills(nil) // the bill is corrected
		r := h.again(day)
		h.noCases()
		if r.Open() != 0 || len(r.Differences) != 2 || !r.Differences[0].Gone || r.Matched != 2 {
			t.Errorf("%+v", r)
		}
		gone, err := h.svc.GetCase(h.Context(), first.Differences[1].CaseID)
		if err != nil || gone.Open || gone.Audit[len(gone.Audit)-1].Actor != "hisgate" {
			t.Errorf("%+v, %v", gone, err)
		}
		h.pay.bills(without(func(payflow.BillRow) bool { return true })) // and is wrong again
		h.again(day)
		if open := h.openCases(); len(open) != 1 || !strings.HasPrefix(open[0], gone.ID+".2 ") {
			t.Errorf("open %v", open)
		}
	})
}

// TestConsoleRefundIsOneCase: by notice and bill, and after a person settled it.
func TestConsoleRefundIsOneCase(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.pay.console("ORDER-1", "CONSOLE-1", 300)
		day := h.morning()
		r := h.compared(day)
		c := h.onlyCase(payflow.CaseConsoleRefund)
		if r.Differences[0].CaseID != c.ID {
			t.Errorf("%+v, case %s", r.Differences, c.ID)
		}
		if err := h.svc.RefundCallback(h.Context(), notice(h.pay.set("CONSOLE-1", payflow.RefundSuccess))); err != nil {
			t.Fatal(err)
		}
		h.wait(time.Second)
		if c = h.onlyCase(payflow.CaseConsoleRefund); c.Repeats != 0 {
			t.Errorf("%+v", c)
		}
		if _, err := h.svc.MarkRefunded(h.Context(), payflow.MarkRefundedRequest{VerbRequest: verb(c, "1"), Evidence: "console"}); err != nil {
			t.Fatal(err)
		}
		h.same(r, h.again(day))
		h.noCases()
	})
}

// TestABillThatIsNotToBeBelievedConcludesNothing: it is tried again until it is.
func TestABillThatIsNotToBeBelievedConcludesNothing(t *testing.T) {
	for name, bad := range map[string]error{
		"not ready":   payflow.ErrBillNotReady,
		"bad hash":    &payflow.BillError{Reason: "hash"},
		"bad row":     &payflow.BillError{Line: 7, Reason: "row"},
		"unreachable": channelFailure(payflow.ChannelNotSent),
		"refused":     channelFailure(payflow.ChannelMisconfigured),
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.pay.console("ORDER-1", "CONSOLE-1", 300)
				h.pay.on("bill", answer{err: bad}, answer{err: bad}, answer{err: bad})
				day := h.morning()
				r := h.reportOf(day)
				if r.Status != payflow.ReconciliationWaiting || r.Failure == "" || r.NextAt.IsZero() || len(r.Differences) > 0 {
					t.Errorf("%+v", r)
				}
				h.noCases()
				h.wait(3 * time.Hour)
				if r = h.compared(day); r.Runs != 4 || len(r.Differences) != 1 {
					t.Errorf("%+v", r)
				}
				h.onlyCase(payflow.CaseConsoleRefund)
				if n := h.pay.count("bill"); n != 4 {
					t.Errorf("asked %d times", n)
				}
			})
		})
	}
}

// TestALateDayIsToldOnce: six hours after it could have been compared.
func TestALateDayIsToldOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		for range 100 {
			h.pay.on("bill", answer{err: payflow.ErrBillNotReady})
		}
		h.morning()
		h.wait(5 * time.Hour)
		if n := h.alerted("reconciliation_late"); n != 0 || h.svc.Stats().Reconcile.Late {
			t.Errorf("%d alerts after five hours", n)
		}
		h.wait(12 * time.Hour)
		if n := h.alerted("reconciliation_late"); n != 1 || !h.svc.Stats().Reconcile.Late {
			t.Errorf("%d alerts, late %v", n, h.svc.Stats().Reconcile.Late)
		}
		h.crash() // it is still late
		h.wait(time.Minute)
		if !h.svc.Stats().Reconcile.Late {
			t.Error("a restart forgot that a day is late")
		}
	})
}

// TestTheHISCannotBeAsked: what WeChat says is compared; the rest is tried again, and nothing is concluded from a list that
// did not come.
func TestTheHISCannotBeAsked(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.locks.on("his_orders", answer{err: payflow.ErrUnavailable}, answer{err: errLost})
		day := h.morning()
		r := h.reportOf(day)
		if r.Status != payflow.ReconciliationIncomplete || r.Matched != 1 || len(r.Differences) > 0 || r.HISListed {
			t.Errorf("%+v", r)
		}
		h.noCases()
		h.wait(3 * time.Hour)
		if r = h.compared(day); r.HISMatched != 1 || len(r.Differences) > 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestAHISThatCannotList: the report says that nothing was compared with it.
func TestAHISThatCannotList(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.locks.on("his_orders", answer{err: payflow.ErrUnsupported})
		r := h.compared(h.morning())
		if r.HISListed || len(r.Differences) > 0 || len(r.NotCompared) != 1 || r.NotCompared[0].What != "HIS_ORDERS" || r.NotCompared[0].Count != 1 {
			t.Errorf("%+v", r)
		}
	})
}

// TestMidnight: WeChat's clock and ours need not agree on which side of midnight something was.
func TestMidnight(t *testing.T) {
	for name, shift := range map[string]time.Duration{"WeChat is ahead": 2 * time.Minute, "WeChat is behind": -2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				// A bubble begins at 08:00 in Beijing: go to just before, or after, midnight.
				h.wait(16*time.Hour - time.Minute)
				if shift < 0 {
					h.wait(2 * time.Minute)
				}
				h.refunded("ORDER-1") // takes a while: the refund is sent at once
				h.pay.mu.Lock()
				h.pay.takenAt["ORDER-1-R1"] = h.pay.takenAt["ORDER-1-R1"].Add(shift)
				h.pay.mu.Unlock()
				h.wait(3 * 24 * time.Hour)
				for _, day := range []string{"2000-01-01", "2000-01-02", "2000-01-03"} {
					if r := h.compared(day); len(r.Differences) > 0 {
						t.Errorf("%s: %+v", day, r.Differences)
					}
				}
				h.noCases()
				h.same(h.compared("2000-01-02"), h.again("2000-01-02"))
				h.same(h.compared("2000-01-01"), h.again("2000-01-01"))
				h.noCases()
			})
		})
	}
}

// TestAnOrderOnTheOtherSideOfMidnightAtTheHIS is searched in the days around.
func TestAnOrderOnTheOtherSideOfMidnightAtTheHIS(t *testing.T) {
	for _, shift := range []time.Duration{-20 * time.Hour, 20 * time.Hour} {
		inHouse(t, func(h *house) {
			h.paid("ORDER-1", payflow.Reserve)
			h.locks.mu.Lock()
			h.locks.locks["ORDER-1"].madeAt = time.Now().Add(shift)
			h.locks.mu.Unlock()
			if r := h.compared(h.morning()); len(r.Differences) > 0 {
				t.Errorf("%v: %+v", shift, r.Differences)
			}
		})
	}
}

// TestMissedDaysAreMadeUpFor: hisgate was down for days, or the morning's run was switched off.
func TestMissedDaysAreMadeUpFor(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.stop()
		<-h.ended
		_ = h.committer.Close()
		time.Sleep(5*24*time.Hour + 12*time.Hour)
		h.disk = h.disk.Reopen()
		h.open()
		h.wait(2 * time.Minute)
		reports, _, err := h.svc.ListReconciliations(h.Context(), 0, "")
		if err != nil || len(reports) != 5 {
			t.Fatalf("%d reports, %v", len(reports), err)
		}
		if r := h.compared("2000-01-01"); r.Matched != 1 {
			t.Errorf("%+v", r)
		}
		page, next, err := h.svc.ListReconciliations(h.Context(), 2, "")
		if err != nil || len(page) != 2 || page[0].Day <= page[1].Day || next == "" {
			t.Errorf("%+v, %q, %v", page, next, err)
		}
		if rest, next, err := h.svc.ListReconciliations(h.Context(), 10, next); err != nil || len(rest) != 3 || next != "" || rest[0].Day >= page[1].Day {
			t.Errorf("%+v, %q, %v", rest, next, err)
		}
	})
}

// TestNothingByItself: not before ten, not of days before the first opening, not when switched off.
func TestNothingByItself(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.wait(26*time.Hour - time.Minute) // 09:59 the next day
		if n := h.pay.count("bill"); n != 0 {
			t.Errorf("asked %d times before ten", n)
		}
		h.wait(2 * time.Minute)
		if n := h.pay.count("bill"); n != 1 {
			t.Errorf("asked %d times at ten", n)
		}
		if _, err := h.svc.GetReconciliation(h.Context(), "1999-12-31"); !errors.Is(err, payflow.ErrNotFound) {
			t.Errorf("the day before the first opening: %v", err)
		}
	})
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		day := h.morning()
		h.wait(48 * time.Hour)
		if n := h.pay.count("bill"); n != 0 {
			t.Errorf("switched off, and asked %d times", n)
		}
		if r := h.again(day); r.Matched != 1 || r.By != "cashier Wu" {
			t.Errorf("%+v", r)
		}
	}, func(s *payflow.Settings) { s.Reconcile = false })
}

// TestOtherSystemsOfTheMerchant: their rows are counted and left alone; without a prefix those of our appids are not.
func TestOtherSystemsOfTheMerchant(t *testing.T) {
	others := func(_ string, rows []payflow.BillRow) []payflow.BillRow {
		for i := range 1000 {
			rows = append(rows, payflow.BillRow{OrderNo: fmt.Sprintf("CANTEEN%d", i), TransactionID: fmt.Sprint("t", i), AppID: "wx9", State: "SUCCESS", OrderFen: 1})
		}
		return rows
	}
	for name, tune := range map[string]func(*payflow.Settings){
		"another appid":  func(s *payflow.Settings) { s.AppIDs = []string{"wx1"} },
		"another prefix": func(s *payflow.Settings) { s.ReconcilePrefix = "ORDER" },
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.paid("ORDER-1", payflow.Reserve)
				h.pay.bills(others)
				r := h.compared(h.morning())
				if r.BillOthers != 1000 || r.Matched != 1 || len(r.Differences) > 0 || h.pay.count("query") > 2 {
					t.Errorf("%+v, %d queries", r, h.pay.count("query"))
				}
			}, tune)
		})
	}
	t.Run("no way to tell", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.pay.bills(others)
			r := h.compared(h.morning())
			if len(r.Differences) != 600 || r.Open() != 1000 {
				t.Errorf("%d listed, %d stand", len(r.Differences), r.Open())
			}
			if open := h.openCases(); len(open) > 300 {
				t.Errorf("%d cases of one run", len(open))
			}
		})
	})
}

// TestOddRows: numbers that no order of ours can have, and trades that were revoked, are left alone and counted.
func TestOddRows(t *testing.T) {
	inHouse(t, func(h *house) {
		h.paid("ORDER-1", payflow.Reserve)
		h.pay.bills(func(_ string, rows []payflow.BillRow) []payflow.BillRow {
			return append(rows,
				payflow.BillRow{OrderNo: "a|b*c@d", TransactionID: "t1", State: "SUCCESS", OrderFen: 1},
				payflow.BillRow{OrderNo: "x", TransactionID: "t2", State: "SUCCESS", OrderFen: 1},
				payflow.BillRow{OrderNo: "SCANNED-1", TransactionID: "t3", State: "REVOKED", OrderFen: 1})
		})
		r := h.compared(h.morning())
		if r.BillOthers != 2 || r.Matched != 1 || len(r.Differences) > 0 || len(r.NotCompared) != 2 || r.NotCompared[1].What != "OTHER_STATES" {
			t.Errorf("%+v", r)
		}
		h.noCases()
	})
}

func TestReportAsCSV(t *testing.T) {
	r := payflow.Reconciliation{Day: "2026-11-21", Differences: []payflow.Difference{
		{Kind: payflow.DiffAmount, OrderNo: "-1+2", TransactionID: "42", TheirsFen: 5, OursFen: -6, Detail: "a,\"b\"\nc", CaseID: "R.1"},
	}}
	var b bytes.Buffer
	if err := r.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(&b).ReadAll()
	want := []string{"2026-11-21", "AMOUNT", "'-1+2", "42", "", "", "", "5", "-6", "R.1", "false", "a,\"b\"\nc"}
	if err != nil || len(got) != 2 || len(got[0]) != len(want) || !slices.Equal(got[1], want) {
		t.Errorf("%q, %v", got, err)
	}
}
