package crashtest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
)

// TestI3KilledAtRandomMoments kills the ledger's process again and again.
// HISGATE_ROUNDS sets how often, HISGATE_SEED the seed.
func TestI3KilledAtRandomMoments(t *testing.T) {
	rounds := number(t, "HISGATE_ROUNDS", 32)
	seed := number(t, "HISGATE_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed %d, %d rounds", seed, rounds)
	rnd := rand.New(rand.NewPCG(seed, 1))
	const life = 8 // rounds of one folder
	var told *book
	var total, cut, under int
	for round := range rounds {
		if round%life == 0 {
			if told != nil {
				told.settle(t)
			}
			told = &book{dir: t.TempDir(), locks: map[string]lockstore.Lock{}}
		}
		after := 1 + rnd.IntN(700)
		if rnd.IntN(6) == 0 {
			after = 0
		}
		answers, opened, ended := told.live(t, rnd, after)
		if ended != "" {
			t.Fatalf("the process ended by itself: %s", ended)
		}
		if !opened {
			under++
		}
		total += answers
		cut += told.compare(t)
		if t.Failed() {
			t.Fatalf("seed %d, round %d", seed, round)
		}
	}
	told.settle(t)
	t.Logf("%d answers, %d calls under way turned out to be done, %d kills before the folder was open", total, cut, under)
	if total < int(rounds)*50 || cut == 0 {
		t.Error("too few calls were under way: the test proves little")
	}
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// book is what callers were told of the locks in one folder.
type book struct {
	dir   string
	epoch uint64
	locks map[string]lockstore.Lock // the newest answer of each order
}

// live runs the process, kills it after so many answers, or for 0 while it is
// about to open the folder, and writes down what it had answered. opened is false when it
// was killed before it was open; ended is its last words when it was not killed.
func (b *book) live(t *testing.T, rnd *rand.Rand, after int) (answers int, opened bool, ended string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+b.dir, childSeed+"="+strconv.FormatUint(rnd.Uint64(), 10))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		ended = stderr.String()
	}()
	if after == 0 {
		moment := time.Duration(rnd.Int64N(int64(40 * time.Millisecond)))
		defer time.AfterFunc(moment, func() { _ = cmd.Process.Kill() }).Stop()
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); n++ {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatalf("the child said %q: %v", lines.Text(), err)
		}
		switch {
		case a.Opened > 0:
			opened = true
			if a.Opened <= b.epoch {
				t.Fatalf("epoch %d after %d", a.Opened, b.epoch)
			}
			b.epoch = a.Opened
		case a.Lock.OrderNo != "":
			answers++
			b.hear(t, a.Lock)
		}
		if after > 0 && answers == after {
			_ = cmd.Process.Kill() // and hear what was answered before we could
		}
	}
	return answers, opened, ""
}

// hear notes an answer. Answers about one lock may come in another order than
// they were given: the clock's and a caller's.
func (b *book) hear(t *testing.T, lock lockstore.Lock) {
	old, known := b.locks[lock.OrderNo]
	if known && old.Version == lock.Version {
		t.Errorf("two answers of the same version:\n%s", cmp.Diff(old, lock))
	}
	if !known || lock.Version > old.Version {
		b.locks[lock.OrderNo] = lock
	}
}

// asTold is a lock without the marks that an opening leaves on interrupted calls.
func asTold(lock lockstore.Lock) []byte {
	lock.Unknown, lock.UnknownSince, lock.UnknownFrom, lock.OrderSent = false, time.Time{}, 0, false
	text, err := json.Marshal(lock)
	if err != nil {
		panic(err)
	}
	return text
}

// compare opens the folder and holds it against what was told. It returns how
// many changes are there that nobody was told of: those of calls under way.
func (b *book) compare(t *testing.T) (untold int) {
	t.Helper()
	l, c, e, err := openFolder(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(l.Close(), c.Close(), e.Close()); err != nil {
			t.Error(err)
		}
	}()
	if e.Epoch() <= b.epoch {
		t.Errorf("epoch %d after %d", e.Epoch(), b.epoch)
	}
	b.epoch = e.Epoch()
	wantWhole(t, l, e)

	held := map[string]int64{}
	for lock := range all(t, l) {
		told, known := b.locks[lock.OrderNo]
		switch {
		case !known, lock.Version == told.Version+1:
			untold++
			b.locks[lock.OrderNo] = lock
		case lock.Version != told.Version:
			t.Errorf("%s was told in version %d and is there in %d", lock.OrderNo, told.Version, lock.Version)
		default:
			if !bytes.Equal(asTold(told), asTold(lock)) {
				t.Errorf("%s is not what was told:\n%s", lock.OrderNo, cmp.Diff(told, lock))
			}
		}
		if lock.Status != lockstore.Released {
			for _, it := range lock.Items {
				held[it.DrugID] += it.Quantity
			}
		}
	}
	if untold > callers+10 { // each caller, and what the clock was at
		t.Errorf("%d changes that nobody was told of, and at most %d calls were under way", untold, callers+10)
	}
	for no, told := range b.locks {
		found, err := l.Get(context.Background(), principal, no)
		if err != nil || found.Version < told.Version {
			t.Errorf("%s was told in version %d, %s; there is version %d (%v)", no, told.Version, told.Status, found.Version, err)
		}
	}
	// What counts is computed from the records, and is never more than there is.
	for _, drug := range drugs {
		a, err := l.Available(lockstore.Key{PharmacyID: pharmacy, DrugID: drug}, reading(l), nil)
		if err != nil || a.Held != held[drug] || a.Held > stock {
			t.Errorf("%d of %s are held (%v), the records say %d, there are %d", a.Held, drug, err, held[drug], stock)
		}
	}
	return untold
}

// settle brings every lock to its end: nothing stays held.
func (b *book) settle(t *testing.T) {
	t.Helper()
	l, c, e, err := openFolder(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for lock := range all(t, l) {
		switch lock.Status {
		case lockstore.Locked:
			_, err = l.Release(ctx, principal, lock.OrderNo, lockstore.ByCaller)
		case lockstore.Confirming:
			_, err = l.Record(ctx, lock.ID(), lockstore.Event{Kind: lockstore.EvOrderPlaced, HISOrderNo: "H"})
		}
		if err != nil {
			t.Fatalf("%s: %v", lock.OrderNo, err)
		}
	}
	for _, drug := range drugs {
		key := lockstore.Key{PharmacyID: pharmacy, DrugID: drug}
		if err := l.Observe(key, lockstore.Reading{Stamp: l.Stamp(), Began: l.Mono(), OnHand: 1}); err != nil {
			t.Fatal(err)
		}
		a, err := l.Available(key, lockstore.Reading{Stamp: l.Stamp(), Began: l.Mono(), OnHand: 1}, nil)
		if err != nil || a.Held != 0 {
			t.Errorf("%d of %s stay held for ever (%v)", a.Held, drug, err)
		}
	}
	if s := l.Stats(); s.ByStatus != (lockstore.Stats{}).ByStatus || s.Waiting+s.Work+s.Unknown+s.Cases > 0 {
		t.Errorf("left over: %+v", s)
	}
	if err := errors.Join(l.Close(), c.Close(), e.Close()); err != nil {
		t.Error(err)
	}
}

// all lists every lock; a tombstone is none.
func all(t *testing.T, l *lockstore.Ledger) func(func(lockstore.Lock) bool) {
	t.Helper()
	return func(yield func(lockstore.Lock) bool) {
		q := lockstore.Query{PageSize: 500}
		for {
			page, next, err := l.List(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, lock := range page {
				if !yield(lock) {
					return
				}
			}
			if next == "" {
				return
			}
			q.PageToken = next
		}
	}
}

// wantWhole verifies every record of the folder, and what the ledger computed from
// them when it was opened.
func wantWhole(t *testing.T, l *lockstore.Ledger, e engine.Reader) {
	t.Helper()
	differs := func(f lockstore.Finding) { t.Errorf("torn: %s: %s", f.Key, f.What) }
	if _, err := lockstore.Verify(t.Context(), e, differs); err != nil {
		t.Error(err)
	}
	if err := l.Audit(t.Context(), differs); err != nil {
		t.Error(err)
	}
}
