package simhis

import (
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/internal/money"
)

// Config describes a HIS. The zero value with Capabilities.BatchSize 0 is a HIS
// without freeze, find, cancel and list, that reads 100 keys in a call.
type Config struct {
	// Capabilities is both what the HIS does and what its driver declares.
	// BatchSize 0 means 100.
	Capabilities hisadapter.Capabilities

	// SameAnswer lets an idempotent HIS answer a repeat as it answered the
	// first time. Without it a repeat is told "duplicate", outcome Find.
	SameAnswer bool

	// HonourUntil lets a freeze end at FreezeRequest.Until when that is before
	// its TTL. Without it Until is ignored.
	HonourUntil bool

	// Overdraw lets orders and freezes take more than there is, as some HIS do.
	// Without it on-hand figures never fall below 0.
	Overdraw bool

	// Catalogue is what the HIS starts with.
	Catalogue Catalogue

	Pace Pace

	// HangMax is the longest that a hanging call waits for its caller to give
	// up; then the connection is cut. 0 means 2 minutes.
	HangMax time.Duration

	// Seed feeds the chances of faults and the jitter of latency.
	Seed uint64

	// Now is the HIS's clock, nil = time.Now.
	Now func() time.Time
}

// Pace is how fast the HIS is and how much it bears. It may be changed while
// the HIS runs.
type Pace struct {
	Latency time.Duration // each call takes this long
	Jitter  time.Duration // and up to this much longer
	Limit   int           // calls at once; one more is Busy. 0 = no limit
	Linger  time.Duration // a call whose caller gave up occupies the HIS this much longer
}

// Drug is one drug with its facts, the same in all pharmacies.
type Drug struct {
	ID    string
	Facts hisadapter.Facts
}

// Stock is what lies on one shelf.
type Stock struct {
	Key    hisadapter.Key
	OnHand int64 // smallest dispensing units
}

// Catalogue is a HIS's drugs and shelves.
type Catalogue struct {
	Drugs []Drug
	Stock []Stock
}

func (c *Config) complete() error {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.HangMax == 0 {
		c.HangMax = 2 * time.Minute
	}
	if c.Capabilities.BatchSize == 0 {
		c.Capabilities.BatchSize = 100
	}
	var errs []error
	if c.Capabilities.BatchSize < 0 {
		errs = append(errs, errors.New("capabilities: batch size is negative"))
	}
	if c.Capabilities.DeductNeedsFreeze && !c.Capabilities.Freeze {
		errs = append(errs, errors.New("capabilities: a deduct that needs a freeze needs a HIS that freezes"))
	}
	if c.HangMax < 0 {
		errs = append(errs, errors.New("hang max is negative"))
	}
	errs = append(errs, c.Pace.validate())
	for _, d := range c.Catalogue.Drugs {
		errs = append(errs, d.validate())
	}
	known := make(map[string]bool, len(c.Catalogue.Drugs))
	for _, d := range c.Catalogue.Drugs {
		known[d.ID] = true
	}
	for _, s := range c.Catalogue.Stock {
		if !known[s.Key.DrugID] {
			errs = append(errs, fmt.Errorf("stock of %q: no such drug in the catalogue", s.Key.DrugID))
		}
	}
	return errors.Join(errs...)
}

func (p Pace) validate() error {
	if p.Latency < 0 || p.Jitter < 0 || p.Linger < 0 || p.Limit < 0 {
		return errors.New("pace: latency, jitter, linger and limit must not be negative")
	}
	return nil
}

func (d Drug) validate() error {
	if d.ID == "" {
		return errors.New("drug_id is empty")
	}
	if d.Facts.Multiple < 0 || d.Facts.PricePer < 0 {
		return fmt.Errorf("drug %q: multiple and price_per must not be negative", d.ID)
	}
	if d.Facts.Price != "" {
		if _, err := money.LineFen(d.Facts.Price, d.Facts.PricePer, 1); err != nil {
			return fmt.Errorf("drug %q: %w", d.ID, err)
		}
	}
	return nil
}
