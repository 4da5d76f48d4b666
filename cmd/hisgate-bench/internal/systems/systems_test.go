package systems

import (
	"errors"
	"slices"
	"testing"

	"github.com/hisgate/hisgate/internal/privateserver"
)

// each system that can be had on this machine, in an empty folder.
func each(t *testing.T, fn func(t *testing.T, s System)) {
	t.Helper()
	for name, open := range map[string]func(dir string) (System, error){
		"hisgate": func(dir string) (System, error) { return NewLedger(dir), nil },
		"badger":  func(dir string) (System, error) { return NewBadger(dir), nil },
		"rawfile": func(dir string) (System, error) { return NewRawFile(dir), nil },
		"redis":   func(dir string) (System, error) { return StartRedis(t.Context(), dir) },
		"postgres": func(dir string) (System, error) {
			return StartPostgres(t.Context(), dir)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := open(serverDir(t))
			var missing *privateserver.MissingError
			if errors.As(err, &missing) {
				t.Skip(missing)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			fn(t, s)
		})
	}
}

// All systems do what the calls promise, from an empty store each time.
func TestSystemsDoTheWork(t *testing.T) {
	shape := Shape{Drugs: Drugs(9), Items: 3}
	each(t, func(t *testing.T, s System) {
		for range 2 {
			if err := s.Reset(t.Context(), shape); err != nil {
				t.Fatal(err)
			}
			session, err := s.Session(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for i := range int64(4) {
				err = errors.Join(err, session.Lock(t.Context(), OrderNo(i), Basket(shape.Drugs, 3, i)))
			}
			err = errors.Join(err,
				session.Confirm(t.Context(), OrderNo(0)),
				session.Release(t.Context(), OrderNo(1)))
			if err != nil {
				t.Fatal(err)
			}
			if s.Name() != "rawfile" { // which judges nothing
				if session.Lock(t.Context(), OrderNo(2), shape.Drugs[:2]) == nil {
					t.Error("an order number was taken twice")
				}
				if session.Confirm(t.Context(), OrderNo(1)) == nil {
					t.Error("a released order was confirmed")
				}
				if session.Release(t.Context(), OrderNo(0)) == nil {
					t.Error("a confirmed order was released")
				}
			}
			if err := session.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestBasketsAreSortedAndReachEveryDrug(t *testing.T) {
	for _, items := range []int{1, 3} {
		drugs := Drugs(999)
		seen := map[string]bool{}
		for i := range int64(1000) {
			b := Basket(drugs, items, i)
			if len(b) != items || !slices.IsSorted(b) {
				t.Fatalf("basket %d is %v", i, b)
			}
			for _, d := range b {
				seen[d] = true
			}
		}
		if len(seen) != len(drugs) {
			t.Errorf("with %d in a basket %d of %d drugs were seen", items, len(seen), len(drugs))
		}
	}
}

func TestOrderNumbersSort(t *testing.T) {
	if a, b := OrderNo(9), OrderNo(10); a != "RX000000000009" || a >= b {
		t.Fatal(a, b)
	}
}

// The bound appends what the ledger stores.
func TestRecordSizesAreThoseOfTheLedger(t *testing.T) {
	one, err := recordSizes(t.Context(), Shape{Drugs: Drugs(3), Items: 1})
	if err != nil {
		t.Fatal(err)
	}
	three, err := recordSizes(t.Context(), Shape{Drugs: Drugs(3), Items: 3})
	if err != nil {
		t.Fatal(err)
	}
	if one.lock < 100 || one.lock >= three.lock || one.confirm <= one.lock || one.release <= one.lock {
		t.Fatalf("one drug %+v, three drugs %+v", one, three)
	}
}
