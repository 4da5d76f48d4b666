package payflow_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
)

// TestRandomTrouble lets orders live among random failures of both sides, a
// counter that sells, patients who pay at any moment, cancel or do not, and
// crashes. When the trouble is over every order is at its end, nobody paid for
// nothing, nothing went twice, and the stock adds up. HISGATE_SEED repeats a run
// (its order of events, not that of goroutines).
func TestRandomTrouble(t *testing.T) {
	seeds := []uint64{}
	if s, err := strconv.ParseUint(os.Getenv("HISGATE_SEED"), 10, 64); err == nil {
		seeds = append(seeds, s)
	}
	for len(seeds) < 20 && os.Getenv("HISGATE_SEED") == "" {
		seeds = append(seeds, rand.Uint64())
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			inHouse(t, func(h *house) { randomTrouble(h, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func randomTrouble(h *house, r *rand.Rand) {
	const orders = 12
	const start = 60
	h.locks.sell("A", 10-start)
	calls := rand.New(rand.NewPCG(r.Uint64(), 2)) // under the fakes' locks, one for each
	h.locks.chaos = hisTrouble(calls)
	h.pay.chaos = wechatTrouble(rand.New(rand.NewPCG(r.Uint64(), 3)))
	sold := int64(0)
	no := func() string { return fmt.Sprintf("ORDER-%02d", r.IntN(orders)) }
	for range 150 {
		switch r.IntN(12) {
		case 0, 1, 2, 3:
			n := no()
			_, _ = h.svc.Create(h.Context(), request(n, strategies[int(n[7])%4]))
		case 4:
			_, _ = h.svc.Prepay(h.Context(), payflow.PrepayRequest{Principal: "web", OrderNo: no()})
		case 5, 6:
			// Money on a closed order is found by its notice alone (and the daily bill).
			if tx, late, ok := h.pay.tryPay(no()); ok && (late || r.IntN(3) > 0) {
				h.callback(tx)
			}
		case 7:
			_, _ = h.svc.Cancel(h.Context(), payflow.CancelRequest{Principal: "web", OrderNo: no()})
		case 8:
			_, _ = h.svc.Sync(h.Context(), "web", no())
		case 9:
			if r.IntN(3) == 0 && h.locks.left("A") > 0 {
				h.locks.sell("A", 1)
				sold++
			}
		case 10:
			if r.IntN(5) == 0 {
				h.crash()
			}
		case 11:
			h.wait(time.Duration(r.IntN(600)) * time.Second)
		}
		if r.IntN(3) == 0 {
			h.wait(time.Duration(r.IntN(5000)) * time.Millisecond)
		}
	}
	h.proven()
	h.locks.calm()
	h.pay.calm()
	h.wait(3 * time.Hour)
	h.pay.payOutAll()
	h.wait(3 * time.Hour)
	h.noCases()

	made := map[string]int{}
	for _, n := range h.locks.made() {
		made[n]++
	}
	back := map[string]int64{}
	for out, fen := range h.pay.sentRefunds() {
		back[out[:8]] += fen
	}
	taken := sold
	for i := range orders {
		n := fmt.Sprintf("ORDER-%02d", i)
		o, err := h.svc.Get(h.Context(), "", n)
		if err != nil {
			continue // never ordered
		}
		paid := h.pay.isPaid(n)
		var want payflow.State
		switch {
		case made[n] == 1 && back[n] == 0 && paid:
			want = payflow.Fulfilled
			taken += 3
		case made[n] == 0 && back[n] == 1000 && paid:
			want = payflow.Refunded
		case made[n] == 0 && back[n] == 0 && !paid:
			want = payflow.Closed
			if o.State == payflow.Rejected {
				want = payflow.Rejected
			}
		default:
			h.Errorf("%s: paid %v, %d HIS orders, %d fen back", n, paid, made[n], back[n])
			continue
		}
		h.is(n, want)
	}
	if left := h.locks.left("A"); left != start-taken {
		h.Errorf("%d left of %d, %d taken", left, start, taken)
	}
}

func hisTrouble(r *rand.Rand) func(string) answer {
	return func(op string) answer {
		switch r.IntN(14) {
		case 0:
			return answer{err: errLost}
		case 1:
			return answer{err: errLost, did: true}
		case 2:
			return answer{err: payflow.ErrPending, did: r.IntN(2) == 0}
		case 3:
			return answer{err: payflow.ErrUnavailable}
		case 4:
			return answer{err: payflow.ErrMisconfigured}
		case 5:
			return answer{hang: true}
		default:
			return answer{}
		}
	}
}

func wechatTrouble(r *rand.Rand) func(string) answer {
	return func(op string) answer {
		switch r.IntN(16) {
		case 0:
			return answer{err: errLost}
		case 1:
			return answer{err: channelFailure(payflow.ChannelUnknown), did: true}
		case 2:
			return answer{err: channelFailure(payflow.ChannelNotSent)}
		case 3:
			return answer{err: channelFailure(payflow.ChannelMisconfigured)}
		case 4:
			return answer{err: refusal(op, "SYSTEMERROR")}
		case 5:
			return answer{hang: true}
		case 6:
			if op == "refund" {
				return answer{err: refusal(op, "NOTENOUGH")}
			}
			return answer{}
		default:
			return answer{}
		}
	}
}
