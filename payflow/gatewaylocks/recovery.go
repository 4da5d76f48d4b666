package gatewaylocks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
)

const (
	// recoveryPoll is the pause between two looks at how far the recovery is.
	recoveryPoll = 200 * time.Millisecond
	// recoveryTold is the pause between two lines of the log about that.
	recoveryTold = 30 * time.Second
)

// Recovery carries a folder that was restored from a backup to where it may take
// new work [B9]: the gateway finds its locks at the HIS, the orders are asked about
// at WeChat Pay, and when both are done the mark of the restore is lifted. It does
// none of the asking itself.
type Recovery struct {
	Ledger  *lockstore.Ledger
	Gateway *gateway.Gateway
	Orders  *payflow.Service
	Log     *slog.Logger
}

// Restore is the ledger's restore in payflow's words.
func Restore(r lockstore.Restore) payflow.Restore {
	o := payflow.Restore{At: r.At}
	if !r.RecoveredAt.IsZero() {
		o.AskUntil = r.RecoveredAt.Add(lockstore.AskFirstFor)
	}
	return o
}

// Run ends when there is nothing to recover any more, or with ctx; it blocks until
// then. Errors: the storage's.
func (r *Recovery) Run(ctx context.Context) error {
	if !r.Ledger.Restore().Recovering() {
		return nil
	}
	tick := time.NewTicker(recoveryPoll)
	defer tick.Stop()
	began, told := time.Now(), time.Time{}
	for {
		if time.Since(told) >= recoveryTold {
			told = time.Now()
			r.Log.Warn("recovering after a restore from a backup: no lock, order, prepay or refund begins", r.progress()...)
		}
		done, err := r.finish(ctx)
		switch {
		case err != nil:
			return err
		case done:
			r.Log.Info("recovered after a restore from a backup; new numbers are asked about before they are used",
				"restored_at", r.Ledger.Restore().At, "until", Restore(r.Ledger.Restore()).AskUntil,
				"lock_cases", r.Gateway.State().Ledger.Cases, "duration_ms", time.Since(began).Milliseconds())
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *Recovery) progress() []any {
	o := r.Orders.Recovery()
	return []any{
		"restored_at", r.Ledger.Restore().At, "locks_left", r.Gateway.State().Ledger.Asking,
		"orders_left", o.Left, "order_no", o.Example, "outcome", o.Why,
	}
}

// finish lifts the mark when all that the backup knew was asked about: first
// durably, then for the orders.
func (r *Recovery) finish(ctx context.Context) (done bool, err error) {
	if r.Orders.Recovery().Left > 0 {
		return false, nil
	}
	switch err := r.Ledger.Recovered(ctx); {
	case errors.Is(err, lockstore.ErrRecovering), ctx.Err() != nil:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ending the recovery: %w", err)
	}
	err = r.Orders.Recovered(Restore(r.Ledger.Restore()).AskUntil)
	if errors.Is(err, payflow.ErrRecovering) {
		return false, nil
	}
	return err == nil, err
}

// Health says how far the recovery is with the orders; the gateway speaks for the
// locks. It does not block.
func (r *Recovery) Health() []string {
	o := r.Orders.Recovery()
	if !o.Recovering {
		return nil
	}
	s := fmt.Sprintf("restored from a backup: WeChat Pay is still to be asked about %d orders", o.Left)
	if o.Example != "" {
		s += fmt.Sprintf(" (%s: %s)", o.Example, o.Why)
	}
	return []string{s}
}
