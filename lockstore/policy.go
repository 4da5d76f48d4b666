package lockstore

import (
	"errors"
	"fmt"
	"time"
)

// Policy is what the HIS can do, as far as the ledger depends on it. It comes
// from the adapter's capabilities and the settings; the room that opens the
// ledger answers for its truth: a wrong one gives stock out twice.
type Policy struct {
	// Freeze: a new lock is frozen at the HIS; it is PENDING until that is
	// acknowledged.
	Freeze bool
	// NetFigure: on-hand figures have freezes taken off already [A6].
	NetFigure bool
	// DeductNeedsFreeze: PlaceOrder demands a freeze, so that one is taken
	// while CONFIRMING where the lock has none.
	DeductNeedsFreeze bool
	// AtomicItems: the HIS writes all items of an order or none; without it a
	// lock has one item [C7].
	AtomicItems bool
	// IdempotentByHisNo: a repeat of PlaceOrder is never applied twice; only
	// then does a verified "none" permit one [C1].
	IdempotentByHisNo bool
	// Find: FindOrder exists. Without it an unknown is at once a case, and
	// native freeze is not allowed [C3].
	Find bool

	// FreezeTTL is how long a freeze lives at most, counted from the call that
	// asked for it, whatever end the HIS names by a clock of its own; 0 = to the
	// end that the HIS names, or for ever.
	FreezeTTL time.Duration
	// FreezeMargin: a freeze is taken for lapsed this long before its end.
	FreezeMargin time.Duration
	// FigureLag: a reading may show the old figure so long after a deduct or a
	// freeze was acknowledged [A4].
	FigureLag time.Duration
	// Grace: a "none" is believed when this long has passed since the call
	// whose outcome is unknown; at least twice the HIS timeout.
	Grace time.Duration
	// HisNoMax is the longest his_no in bytes; 0 = no bound.
	HisNoMax int
	// MaxStale is the longest age of a reading that is still shown or judged
	// by; a CONFIRMED hold is dropped at the latest MaxStale + FigureLag after
	// its acknowledgement [A5]. 0 = 5 min.
	MaxStale time.Duration
}

const defaultMaxStale = 5 * time.Minute

// check completes the policy and names everything that is wrong with it.
func (p Policy) check() (Policy, error) {
	if p.MaxStale == 0 {
		p.MaxStale = defaultMaxStale
	}
	var errs []error
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"freeze TTL", p.FreezeTTL},
		{"freeze margin", p.FreezeMargin},
		{"figure lag", p.FigureLag},
		{"grace time", p.Grace},
		{"longest staleness", p.MaxStale},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("the %s is negative: %v", d.name, d.value))
		}
	}
	if p.HisNoMax < 0 {
		errs = append(errs, fmt.Errorf("the longest his_no is negative: %d", p.HisNoMax))
	}
	if (p.Freeze || p.DeductNeedsFreeze) && !p.Find {
		errs = append(errs, errors.New("freezing needs a HIS that can be asked what became of a freeze"))
	}
	return p, errors.Join(errs...)
}

// counting says how a hold counts against a reading.
type counting uint8

const (
	// notAtAll: the hold is over.
	notAtAll counting = iota
	// always: no reading can know of it.
	always
	// untilRead: readings that began late enough after the HIS's
	// acknowledgement know of it.
	untilRead
)

// counts is the availability rule of design §5.4 for one lock. lapsed says that
// its freeze is over, or will be within the margin.
func (p *Policy) counts(l *Lock, lapsed bool) counting {
	switch l.Status {
	case Pending:
		return always
	case Locked, Confirming, Releasing:
		if p.NetFigure && l.Freeze && l.Word == WordFrozen && !lapsed {
			return untilRead
		}
		return always
	case Confirmed:
		return untilRead
	default:
		return notAtAll
	}
}
