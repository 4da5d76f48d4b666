package wechatsim

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// Books is everything that happened, for judging invariants. It is a copy.
type Books struct {
	At      time.Time  `json:"at"`
	Trades  []Trade    `json:"trades"`  // in order of their first prepay
	Refunds []Refund   `json:"refunds"` // in order of acceptance
	Notices []Notice   `json:"notices"` // in order of their events
	Calls   map[Op]int `json:"calls"`   // authentic API calls
}

// Ledger returns the books as of now.
func (s *Sim) Ledger() Books {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	s.settle(now)
	b := Books{
		At: now, Trades: make([]Trade, 0, len(s.tradeOrder)), Refunds: make([]Refund, 0, len(s.refunded)),
		Notices: make([]Notice, 0, len(s.notices)), Calls: maps.Clone(s.calls),
	}
	for _, t := range s.tradeOrder {
		b.Trades = append(b.Trades, t.Trade)
	}
	for _, rf := range s.refunded {
		b.Refunds = append(b.Refunds, rf.Refund)
	}
	for _, n := range s.notices {
		b.Notices = append(b.Notices, n.copy())
	}
	return b
}

// Trade finds one order.
func (b Books) Trade(outTradeNo string) (Trade, bool) {
	for _, t := range b.Trades {
		if t.OutTradeNo == outTradeNo {
			return t, true
		}
	}
	return Trade{}, false
}

// RefundsOf returns the refunds of one order.
func (b Books) RefundsOf(outTradeNo string) []Refund {
	var found []Refund
	for _, rf := range b.Refunds {
		if rf.OutTradeNo == outTradeNo {
			found = append(found, rf)
		}
	}
	return found
}

// Check judges the books by themselves and returns everything wrong: refunds beyond what was paid, refunds of what was
// never paid, an out_refund_no used twice (I4), and callbacks whose bad signature the merchant accepted. It works the
// sums out of the refunds anew. That an order was refunded twice in full within the amount, or refunded and fulfilled,
// only the merchant's books can tell.
func (b Books) Check() error {
	var errs []error
	given, seen := map[string]int64{}, map[string]bool{}
	for _, rf := range b.Refunds {
		if seen[rf.OutRefundNo] {
			errs = append(errs, fmt.Errorf("wechatsim: refund %s stands twice in the books", rf.OutRefundNo))
		}
		seen[rf.OutRefundNo] = true
		if rf.State != RefundClosed {
			given[rf.OutTradeNo] += rf.Amount
		}
	}
	for _, t := range b.Trades {
		paid := int64(0)
		if t.TransactionID != "" {
			paid = t.Total
		}
		if given[t.OutTradeNo] > paid {
			errs = append(errs, fmt.Errorf("wechatsim: trade %s was paid %d fen and refunded %d", t.OutTradeNo, paid, given[t.OutTradeNo]))
		}
		delete(given, t.OutTradeNo)
	}
	for no, fen := range given {
		errs = append(errs, fmt.Errorf("wechatsim: %d fen refunded of the unknown trade %s", fen, no))
	}
	for _, n := range b.Notices {
		if n.BadAccepted > 0 {
			errs = append(errs, fmt.Errorf("wechatsim: %d badly signed callbacks about %s were accepted", n.BadAccepted, n.OutTradeNo))
		}
	}
	return errors.Join(errs...)
}
