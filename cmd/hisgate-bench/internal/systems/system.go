// Package systems holds what is measured side by side: hisgate's ledger, and
// other ways to keep a lock of stock durable. All do the same work for a Lock:
// refuse an order number that is taken, refuse what is short, count the held
// quantity, store the order, and answer when that is on the disk. The raw file
// alone only appends as many bytes: it is the bound.
package systems

import (
	"context"
	"fmt"
)

// Shape is what a system is to be ready for.
type Shape struct {
	Drugs []string // each has stock that never runs out
	Items int      // drugs of each order, for the raw file
}

// onHand is the stock of every drug: enough for any run.
const onHand = 1 << 40

// System keeps locks in a store of its own.
type System interface {
	// Name stands in the tables.
	Name() string
	// Reset begins with an empty store. No session is open meanwhile.
	Reset(ctx context.Context, s Shape) error
	// Session is the connection of one caller.
	Session(ctx context.Context) (Session, error)
	// Close ends what the system started and removes what it stored.
	Close() error
}

// Session is used by one goroutine at a time. Each call returns when its effect
// is durable.
type Session interface {
	// Lock holds one unit of each drug, which are sorted, for a new order.
	Lock(ctx context.Context, order string, drugs []string) error
	// Confirm records the intent to deduct, for an order that is held.
	Confirm(ctx context.Context, order string) error
	// Release gives back what an order holds.
	Release(ctx context.Context, order string) error
	Close() error
}

// refused is the error for a store that says no where it should not have.
func refused(system, op, order string) error {
	return fmt.Errorf("%s refused to %s %s", system, op, order)
}
