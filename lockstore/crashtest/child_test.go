package crashtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

// The test binary, run again with these, is the process to be killed.
const (
	childDir  = "HISGATE_CRASH_DIR"
	childSeed = "HISGATE_CRASH_SEED"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	seed, err := strconv.ParseUint(os.Getenv(childSeed), 10, 64)
	if err == nil {
		err = live(dir, seed)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

const (
	callers   = 64
	principal = "p"
	pharmacy  = "HLWYF"
	stock     = 400 // of each drug, so that some are refused
)

// drugs: one is hot, as in a hospital.
var drugs = []string{"00010041", "00010042", "00010043"}

// answer is one line of the child: what somebody was told.
type answer struct {
	Lock   lockstore.Lock
	Opened uint64 `json:",omitempty"` // the epoch of an opening
}

// policy is that of a HIS without freezes.
func policy() lockstore.Policy {
	return lockstore.Policy{AtomicItems: true, IdempotentByHisNo: true, Find: true, MaxStale: time.Hour}
}

func openFolder(dir string) (*lockstore.Ledger, *engine.Committer, *badgerengine.Engine, error) {
	e, err := badgerengine.Open(dir, badgerengine.Options{})
	if err != nil {
		return nil, nil, nil, err
	}
	c := engine.NewCommitter(e, engine.CommitterOptions{})
	l, err := lockstore.Open(context.Background(), lockstore.Options{Committer: c, Policy: policy(), DiskReserve: -1})
	if err != nil {
		return nil, nil, nil, errors.Join(err, c.Close(), e.Close())
	}
	return l, c, e, nil
}

// live opens the folder and takes calls until it is killed.
func live(dir string, seed uint64) error {
	fmt.Println("{}") // about to open
	l, _, e, err := openFolder(dir)
	if err != nil {
		return err
	}
	tell(answer{Opened: e.Epoch()})
	failed := make(chan error)
	for i := range callers {
		c := caller{
			Ledger: l, name: fmt.Sprintf("%d-%02d", e.Epoch(), i),
			rnd: rand.New(rand.NewPCG(seed, uint64(i))),
		}
		go func() { failed <- c.work() }()
	}
	go func() { failed <- expire(l) }()
	return <-failed
}

// tell writes a line. One write of a pipe is not mixed with others below 4 KiB,
// and what was written the kernel delivers, whatever becomes of the process.
func tell(a answer) {
	line, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.Write(append(line, '\n'))
}

// caller leads one order after the other through a life.
type caller struct {
	*lockstore.Ledger
	name string
	rnd  *rand.Rand
}

func (c *caller) work() error {
	ctx := context.Background()
	for n := 0; ; n++ {
		no := fmt.Sprintf("RX-%s-%d", c.name, n)
		if c.rnd.IntN(20) == 0 {
			lock, err := c.Release(ctx, principal, no, lockstore.ByCaller) // a tombstone
			if err != nil {
				return err
			}
			tell(answer{Lock: lock})
			continue
		}
		lock, _, err := c.Lock(ctx, c.request(no))
		if _, short := errors.AsType[*lockstore.ShortageError](err); short {
			continue
		}
		if err != nil {
			return err
		}
		tell(answer{Lock: lock})
		if err := c.end(ctx, lock); err != nil {
			return err
		}
	}
}

func (c *caller) request(no string) lockstore.LockRequest {
	r := lockstore.LockRequest{
		Principal: principal, OrderNo: no, PharmacyID: pharmacy, TTL: time.Hour,
		Attributes: map[string]string{"patient_id": no}, Readings: map[string]lockstore.Reading{},
	}
	if c.rnd.IntN(8) == 0 {
		r.TTL = time.Duration(1 + c.rnd.IntN(int(20*time.Millisecond)))
	}
	for i, drug := range drugs {
		if i == 0 || c.rnd.IntN(3) == 0 {
			r.Items = append(r.Items, lockstore.Item{DrugID: drug, Quantity: 1 + c.rnd.Int64N(3)})
			r.Readings[drug] = reading(c.Ledger)
		}
	}
	return r
}

// reading is one that knows of nothing that was ever held.
func reading(l *lockstore.Ledger) lockstore.Reading {
	return lockstore.Reading{Stamp: lockstore.Stamp{Epoch: l.Stamp().Epoch}, OnHand: stock}
}

// end brings a lock to one of its ends, or leaves it on the way.
func (c *caller) end(ctx context.Context, lock lockstore.Lock) (err error) {
	if lock.ExpireTime.Sub(lock.CreatedAt) < time.Minute {
		return nil // the clock's
	}
	way := c.rnd.IntN(12)
	switch {
	case way == 0: // stays LOCKED
		return nil
	case way < 8:
		if lock, err = c.Release(ctx, principal, lock.OrderNo, lockstore.ByCaller); err != nil {
			return err
		}
		tell(answer{Lock: lock})
		return nil
	}
	ref := lockstore.Reference{TransactionID: "T-" + lock.OrderNo, DrugsFen: 100}
	if lock, _, err = c.Confirm(ctx, principal, lock.OrderNo, ref); err != nil {
		return err
	}
	tell(answer{Lock: lock})
	ev := lockstore.Event{Kind: lockstore.EvOrderPlaced, Op: lockstore.OpPlaceOrder, HISOrderNo: "H-" + lock.OrderNo}
	switch {
	case way == 8: // stays CONFIRMING
		return nil
	case way < 11:
		ev = lockstore.Event{Kind: lockstore.EvOrderRefused, Op: lockstore.OpPlaceOrder, Message: "退药"}
	}
	if lock, err = c.Record(ctx, lock.ID(), ev); err != nil {
		return err
	}
	tell(answer{Lock: lock})
	return nil
}

// expire is the clock at work.
func expire(l *lockstore.Ledger) error {
	for range time.Tick(2 * time.Millisecond) {
		for _, lock := range l.Due(10) {
			lock, err := l.Record(context.Background(), lock.ID(), lockstore.Event{Kind: lockstore.EvClock})
			if err != nil {
				return err
			}
			tell(answer{Lock: lock})
		}
	}
	return nil
}
