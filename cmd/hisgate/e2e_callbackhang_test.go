package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/hisgate/hisgate/hisadapter/simhis"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// The HIS hangs, and more orders wait for it than there are workers: each notice
// of WeChat is taken at its first delivery, and nothing it said is lost.
func TestD3NoticesAreTakenWhileTheHISHangs(t *testing.T) {
	t.Parallel()
	bothKinds(t, func(t *testing.T, freeze bool) {
		h := openHouse(t, freeze, func(c *Config, s *settings) {
			s.orders.HISWorkers = 2
		})
		h.shelve("D1", 100)
		var nos []string
		for i := range 12 {
			nos = append(nos, fmt.Sprintf("E2E-HANG-%d", i))
			h.create(nos[i], "RESERVE", "D1", 2)
		}
		h.hisFault(simhis.Fault{What: simhis.TimeoutBefore}) // every call, until cleared
		for _, no := range nos {
			h.pay(no)
		}
		eventually(t, "the notices", func() error {
			for _, n := range h.sims.WeChat.Ledger().Notices {
				if !n.Delivered {
					return fmt.Errorf("the notice of %s is not delivered: %+v", n.OutTradeNo, n.Attempts)
				}
			}
			return want("notices", len(h.sims.WeChat.Ledger().Notices), len(nos))
		})
		for _, n := range h.sims.WeChat.Ledger().Notices {
			if len(n.Attempts) != 1 || n.Attempts[0].Status != http.StatusOK {
				t.Errorf("the notice of %s took %+v", n.OutTradeNo, n.Attempts)
			}
		}
		for _, no := range nos {
			if o := h.await(no, hisgatev1.Order_PAID); o.GetTransactionId() == "" {
				t.Errorf("%s is %s", no, o.GetStatus())
			}
		}
		h.sims.HIS.ClearFaults()
		for _, no := range nos {
			h.await(no, hisgatev1.Order_FULFILLED)
		}
		h.audit(h.api)
	})
}
