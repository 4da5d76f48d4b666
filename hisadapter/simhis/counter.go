package simhis

import (
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// Counter is the hospital's own counter. It sells from the same shelf without
// telling anyone, which is the reason for hisgate.
type Counter struct{ his *HIS }

// Counter returns the HIS's counter.
func (h *HIS) Counter() Counter { return Counter{his: h} }

// Sell hands out up to n units and returns how many there were to hand out. It
// cannot take what a freeze holds. It fails for a key without a shelf.
func (c Counter) Sell(key hisadapter.Key, n int64) (int64, error) {
	c.his.mu.Lock()
	defer c.his.mu.Unlock()
	now := c.his.catchUp()
	if n < 1 {
		return 0, fmt.Errorf("quantity is %d, must be at least 1", n)
	}
	s, ok := c.his.shelves[key]
	if !ok {
		return 0, fmt.Errorf("pharmacy %q has no shelf for drug_id %q", key.PharmacyID, key.DrugID)
	}
	return c.his.sell(now, s, n), nil
}

func (h *HIS) sell(now time.Time, s *shelf, n int64) int64 {
	sold := min(n, max(s.free(), 0))
	if sold > 0 {
		s.book.CounterSold += sold
		h.move(now, s, -sold, 0)
	}
	return sold
}

// Program is a counter that sells by itself: Quantity units of Key, Every so
// often, Times times (0 = until stopped).
type Program struct {
	Key      hisadapter.Key
	Quantity int64
	Every    time.Duration
	Times    int
}

// Start begins a program and returns its number for Stop. The first sale is
// Every from now. It fails for a key without a shelf and for a program that
// could not sell.
func (c Counter) Start(p Program) (int, error) {
	if p.Quantity < 1 || p.Every <= 0 || p.Times < 0 {
		return 0, errors.New("a sales program needs a quantity of at least 1, a positive interval and times of at least 0")
	}
	h := c.his
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.catchUp()
	s, ok := h.shelves[p.Key]
	if !ok {
		return 0, fmt.Errorf("pharmacy %q has no shelf for drug_id %q", p.Key.PharmacyID, p.Key.DrugID)
	}
	id := len(h.programs) + 1
	h.programs[id] = true
	left := p.Times
	var sale func(at time.Time)
	sale = func(at time.Time) {
		if !h.programs[id] {
			return
		}
		h.sell(at, s, p.Quantity)
		if left--; left != 0 {
			h.schedule(at.Add(p.Every), sale)
		}
	}
	h.schedule(now.Add(p.Every), sale)
	return id, nil
}

// Stop ends a program. One that is over is no error.
func (c Counter) Stop(id int) {
	c.his.mu.Lock()
	defer c.his.mu.Unlock()
	c.his.catchUp()
	if c.his.programs[id] {
		c.his.programs[id] = false
	}
}
