package payflow

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// The table of transitions, drawn once more and by hand. Rows are events, columns
// states. A state's letter = goes there; "=" stays; "c" case, state kept; "–"
// cannot happen; "!X" refused with the reason X; "~X" aborted with the reason X;
// a letter with "?" depends on a guard (TestGuards).
const table = `
                            CR  LO  AW  CL  CD  RJ  PA  FU  RG  RD  NA
LOCKED                      LO  –   –   –   –   –   –   –   –   –   –
CHECKED                     AW  –   –   –   –   –   –   –   –   –   –
REJECTED                    RJ  –   –   –   –   –   –   –   –   –   –
PREPAY_INTENT               –   AW  –   –   –   –   –   –   –   –   –
PREPAY_REFUSED              –   –   CL  –   –   –   –   –   –   –   –
CLOSED_AT_WECHAT            –   –   CL  –   –   –   –   –   –   –   –
CANCEL                      CL  CL  CL  =   =   =   ~F  !P  !P  !P  !P
DEADLINE                    CL  CL  CL  =   –   –   –   –   –   –   –
LOCK_LOST                   CL  CL  –   –   –   –   –   –   –   –   –
PAID                        PA  PA  PA  PA  PA  NA  –   –   –   –   –
PAID_UNWANTED               –   –   –   –   RG  –   –   –   –   –   –
PAID_AND_REFUNDED_ELSEWHERE NA  NA  NA  NA  NA  NA  NA  c   NA  c   c
PAID_AGAIN                  c   c   c   c   c   c   c   c   c   c   c
PAID_WRONG                  c   c   c   c   c   c   c   c   c   c   c
CLOSED                      –   –   –   CD  –   –   –   –   –   –   –
HIS_ORDER                   –   –   –   c   c   –   FU  =   NA  c   FU?
GONE                        –   –   –   –   –   –   RG  –   –   –   –
PARK                        –   –   –   –   –   –   NA  c   NA  –   =
REFUND_FOUND                –   –   –   –   –   –   RG  RG  =   =   =
MONEY_BACK                  –   –   –   –   –   –   –   –   RD  =   RD
RETRY                       !V  !V  !V  !V  !V  !V  !V  !W  PA? !V  PA?
RESUME                      !V  !V  !V  !V  !V  !V  !V  !V  !V  !V  RG?
GIVE_UP                     !V  !V  !V  !V  !V  !V  =   !V  !V  !V  !V
REFUND                      !N  !N  !N  !N  !N  !N  ~F  RG  !I  !M  RG?
REFUND_PART                 !N  !N  !N  !N  !N  !N  ~F  =   !I  !M  !V
MARK_FULFILLED              !V  !V  !V  !V  !V  !V  FU? !V  !V  !V  FU?
MARK_REFUNDED               !V  !V  !V  !V  !V  !V  RD? !V  !V  !V  RD?
`

func TestTransitions(t *testing.T) {
	states := map[string]State{
		"CR": Created, "LO": Locked, "AW": AwaitingPayment, "CL": Closing, "CD": Closed, "RJ": Rejected,
		"PA": Paid, "FU": Fulfilled, "RG": Refunding, "RD": Refunded, "NA": NeedsAttention,
	}
	reasons := map[string]string{
		"F": ReasonBeingFulfilled, "P": ReasonAlreadyPaid, "V": ReasonVerbNotAllowed, "W": ReasonWasFulfilled,
		"N": ReasonNotPaid, "I": ReasonRefundInProgress, "M": ReasonRefundTooMuch,
	}
	lines := strings.Split(strings.TrimSpace(table), "\n")
	columns := strings.Fields(lines[0])
	if len(columns) != len(states) {
		t.Fatalf("%d columns, %d states", len(columns), len(states))
	}
	events := map[event]bool{}
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		e := event(fields[0])
		events[e] = true
		for i, want := range fields[1:] {
			from := states[columns[i]]
			got := next(from, e)
			text, guarded := strings.CutSuffix(want, "?")
			if guarded != (got.guard != nil) {
				t.Errorf("%s in %s: guard %v, want %v", e, from, got.guard != nil, guarded)
			}
			var shown string
			switch got.kind {
			case fault:
				shown = "–"
			case stay:
				shown = "="
			case refer:
				shown = "c"
			case move:
				for k, s := range states {
					if s == got.to {
						shown = k
					}
				}
			case refuse, aborted:
				mark := map[cellKind]string{refuse: "!", aborted: "~"}[got.kind]
				for k, r := range reasons {
					if r == got.reason {
						shown = mark + k
					}
				}
			}
			if shown != text {
				t.Errorf("%s in %s: %q, want %q", e, from, shown, text)
			}
		}
	}
	for _, e := range []event{
		evLocked, evChecked, evRejected, evIntent, evPrepayRefused, evEndedThere, evCancel, evDeadline, evLockLost,
		evPaid, evPaidUnwanted, evPaidElsewhere, evPaidAgain, evPaidWrong, evClosed, evConfirmed, evGone, evPark,
		evMoneyBack, evRetry, evResume, evGiveUp, evPersonRefund, evPersonPart, evPersonFulfilled, evPersonRefunded,
	} {
		if !events[e] {
			t.Errorf("event %s is not in the table", e)
		}
	}
}

func TestGuards(t *testing.T) {
	with := func(status RefundStatus, refused string) *Order {
		return &Order{State: NeedsAttention, Refunds: []RefundRecord{{Status: status, Refused: refused}}}
	}
	none := &Order{State: NeedsAttention}
	fulfilled := &Order{State: NeedsAttention, WasFulfilled: true}
	tests := []struct {
		name  string
		guard func(*Order) string
		order *Order
		want  string
	}{
		{"retry, nothing sent", fulfilmentOpen, none, ""},
		{"retry, only stored", fulfilmentOpen, with(RefundStored, ""), ""},
		{"retry, all closed", fulfilmentOpen, with(RefundEnded, ""), ""},
		{"retry, sent", fulfilmentOpen, with(RefundSent, ""), ReasonRefundSent},
		{"retry, sent and refused", fulfilmentOpen, with(RefundSent, "X"), ReasonRefundSent},
		{"retry, accepted", fulfilmentOpen, with(RefundAccepted, ""), ReasonRefundSent},
		{"retry, done", fulfilmentOpen, with(RefundDone, ""), ReasonRefundSent},
		{"retry, abnormal", fulfilmentOpen, with(RefundFailed, ""), ReasonRefundSent},
		{"retry, was fulfilled", fulfilmentOpen, fulfilled, ReasonWasFulfilled},
		{"mark fulfilled, all sent", notAllOut, &Order{Refunds: []RefundRecord{{Status: RefundSent, Full: true}}}, ReasonRefundSent},
		{"mark fulfilled, all done", notAllOut, &Order{Refunds: []RefundRecord{{Status: RefundDone, Full: true}}}, ReasonRefundSent},
		{"mark fulfilled, all closed", notAllOut, &Order{Refunds: []RefundRecord{{Status: RefundEnded, Full: true}}}, ""},
		{"mark fulfilled, a part done", notAllOut, with(RefundDone, ""), ""},
		{"mark refunded, sent", noMoneyFlying, with(RefundSent, ""), ReasonRefundSent},
		{"mark refunded, refused", noMoneyFlying, with(RefundSent, "X"), ""},
		{"mark refunded, accepted", noMoneyFlying, with(RefundAccepted, ""), ReasonRefundSent},
		{"mark refunded, abnormal", noMoneyFlying, with(RefundFailed, ""), ""},
		{"mark refunded, of another amount", noMoneyFlying, &Order{Refunds: []RefundRecord{{Status: RefundSent, WrongFen: 7}}}, ""},
		{"mark a paid one, unsettled", lockOver, &Order{State: Paid}, ReasonLockUnsettled},
		{"mark a paid one, settled", lockOver, &Order{State: Paid, Lock: LockRecord{Settled: true}}, ""},
		{"refund, abnormal", refundCanGo, with(RefundFailed, ""), ReasonRefundSent},
		{"refund, refused", refundCanGo, with(RefundSent, "X"), ""},
	}
	for _, tt := range tests {
		if got := tt.guard(tt.order); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// fire does what the cell says, and nothing when it says no.
func TestFireKeepsWhatItRefuses(t *testing.T) {
	c := engine.NewCommitter(memengine.New(memengine.Options{}), engine.CommitterOptions{})
	defer func() { _ = c.Close() }()
	s, err := Open(t.Context(), Options{Committer: c, Locks: struct{ Locks }{}, Settings: Default()})
	if err != nil {
		t.Fatal(err)
	}
	for from, e := range map[State]event{
		Paid: evCancel, Fulfilled: evRetry, Refunding: evPersonRefund, Closed: evClosed, NeedsAttention: evRetry,
	} {
		o := &Order{No: "ORDER-1", State: from, Refunds: []RefundRecord{{Status: RefundSent}}}
		u := &unit{s: s, no: o.No, o: o, cases: map[string]*Case{}}
		_, err := u.fire(e, "", "")
		if err == nil || o.State != from || len(o.History) != 0 || u.changed {
			t.Errorf("%s in %s: error %v, state %s, history %v", e, from, err, o.State, o.History)
		}
		var f *faultError
		if errors.As(err, &f) != (from == Closed) {
			t.Errorf("%s in %s: %T", e, from, err)
		}
	}
}

func TestHistoryIsFoldedAndBounded(t *testing.T) {
	u := &unit{s: &Service{now: time.Now}, o: &Order{}}
	for range 5 {
		u.said("ASKED_WECHAT", "NOTPAY")
	}
	if h := u.o.History; len(h) != 1 || h[0].Count != 5 {
		t.Errorf("not folded: %+v", h)
	}
	for i := range 1000 {
		u.said("STEP", string(rune('a'+i%26)))
	}
	h := u.o.History
	if len(h) != historyMax {
		t.Errorf("%d entries", len(h))
	}
	if g := h[historyHead]; g.Event != "OMITTED" || len(h)-1+g.Count != 1001 {
		t.Errorf("entry %+v stands for what was given up, of %d", g, 1001)
	}
}
