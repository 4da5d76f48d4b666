package systems

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

const (
	principal  = "bench"
	pharmacyID = "HLWYF"
	ttl        = 30 * time.Minute
)

// Policy is that of a HIS without freeze: the ledger alone decides.
func Policy() lockstore.Policy {
	return lockstore.Policy{AtomicItems: true, IdempotentByHisNo: true, Find: true, Grace: 20 * time.Second}
}

// Ledger is hisgate's own, over Badger in a folder.
type Ledger struct {
	dir string
	*Open
}

// NewLedger keeps the ledger below dir.
func NewLedger(dir string) *Ledger { return &Ledger{dir: filepath.Join(dir, "hisgate")} }

// Name implements [System].
func (s *Ledger) Name() string { return "hisgate" }

// Reset implements [System].
func (s *Ledger) Reset(ctx context.Context, _ Shape) error {
	if err := s.Close(); err != nil {
		return err
	}
	open, err := OpenLedger(ctx, s.dir, nil, 0)
	s.Open = open
	return err
}

// Session implements [System].
func (s *Ledger) Session(context.Context) (Session, error) {
	return LedgerSession{s.Open.Ledger}, nil
}

// Close implements [System].
func (s *Ledger) Close() error {
	var err error
	if s.Open != nil {
		err = s.Open.Close()
		s.Open = nil
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Open is a ledger with what lies below it, opened as the program opens it.
type Open struct {
	Engine    *badgerengine.Engine
	Committer *engine.Committer
	Ledger    *lockstore.Ledger
	Took      time.Duration // to open it
}

// OpenLedger opens the ledger in a folder. A nil clock is the system's. Purge
// forgets what ended so long ago; 0 = as in the program.
func OpenLedger(ctx context.Context, dir string, clock lockstore.Clock, retention time.Duration) (*Open, error) {
	start := time.Now()
	e, err := badgerengine.Open(dir, badgerengine.Options{})
	if err != nil {
		return nil, err
	}
	c := engine.NewCommitter(e, engine.CommitterOptions{})
	o := ledgerOptions(c, clock)
	o.Retention = retention
	l, err := lockstore.Open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, c.Close(), e.Close())
	}
	return &Open{e, c, l, time.Since(start)}, nil
}

func ledgerOptions(c *engine.Committer, clock lockstore.Clock) lockstore.Options {
	return lockstore.Options{
		Committer: c, Policy: Policy(), Clock: clock,
		MaxActive:   1 << 30, // one principal stands for all
		DiskReserve: -1,      // the machine that measures may be small
	}
}

// Close closes everything in order.
func (o *Open) Close() error {
	return errors.Join(o.Ledger.Close(), o.Committer.Close(), o.Engine.Close())
}

// LedgerSession calls a ledger.
type LedgerSession struct{ *lockstore.Ledger }

// Lock implements [Session]. The readings are made here: in the program they
// come from the cache or the HIS.
func (s LedgerSession) Lock(ctx context.Context, order string, drugs []string) error {
	_, created, err := s.Ledger.Lock(ctx, s.Request(order, drugs, ttl))
	if err == nil && !created {
		return refused("hisgate", "lock", order)
	}
	return err
}

// Request is a Lock of one unit of each drug.
func (s LedgerSession) Request(order string, drugs []string, ttl time.Duration) lockstore.LockRequest {
	r := lockstore.LockRequest{
		Principal: principal, OrderNo: order, PharmacyID: pharmacyID, TTL: ttl,
		Items:    make([]lockstore.Item, len(drugs)),
		Readings: make(map[string]lockstore.Reading, len(drugs)),
	}
	reading := lockstore.Reading{Stamp: s.Stamp(), Began: s.Mono(), OnHand: onHand}
	for i, d := range drugs {
		r.Items[i] = lockstore.Item{DrugID: d, Quantity: 1}
		r.Readings[d] = reading
	}
	return r
}

// Confirm implements [Session].
func (s LedgerSession) Confirm(ctx context.Context, order string) error {
	_, started, err := s.Ledger.Confirm(ctx, principal, order, lockstore.Reference{
		TransactionID: "4200001234202611220123456789", DrugsFen: 1990,
	})
	if err == nil && !started {
		return refused("hisgate", "confirm", order)
	}
	return err
}

// Release implements [Session].
func (s LedgerSession) Release(ctx context.Context, order string) error {
	_, err := s.Ledger.Release(ctx, principal, order, lockstore.ByCaller)
	return err
}

// Has reports whether the ledger knows the order, holding stock.
func (s LedgerSession) Has(ctx context.Context, order string) (bool, error) {
	lock, err := s.Get(ctx, principal, order)
	switch {
	case errors.Is(err, lockstore.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	return lock.Status == lockstore.Locked, nil
}

// Close implements [Session]; the ledger stays open.
func (s LedgerSession) Close() error { return nil }

// sizes are the bytes of keys and values that the ledger stores for each call.
type sizes struct{ lock, confirm, release int }

// recordSizes measures them on a ledger in memory.
func recordSizes(ctx context.Context, s Shape) (out sizes, err error) {
	var mu sync.Mutex
	bytes := 0
	c := engine.NewCommitter(memengine.New(memengine.Options{}), engine.CommitterOptions{
		Observe: func(o engine.Commit) {
			mu.Lock()
			defer mu.Unlock()
			overhead := engine.Size(make([]engine.Write, o.Writes))
			bytes = o.Bytes - overhead
		},
	})
	defer func() { err = errors.Join(err, c.Close()) }()
	l, err := lockstore.Open(ctx, ledgerOptions(c, nil))
	if err != nil {
		return out, err
	}
	session := LedgerSession{l}
	drugs := s.Drugs[:s.Items]
	for _, step := range []struct {
		size *int
		call func() error
	}{
		{new(int), func() error { return session.Lock(ctx, OrderNo(0), drugs) }}, // stores the clock as well
		{&out.lock, func() error { return session.Lock(ctx, OrderNo(1), drugs) }},
		{&out.confirm, func() error { return session.Confirm(ctx, OrderNo(1)) }},
		{&out.release, func() error { return session.Release(ctx, OrderNo(0)) }},
	} {
		if err := step.call(); err != nil {
			return out, err
		}
		mu.Lock()
		*step.size = bytes
		mu.Unlock()
	}
	return out, nil
}
