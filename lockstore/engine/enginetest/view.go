package enginetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// testViewIsOneMoment writes while a view is open, which must show nothing of it
// in any of its calls.
func testViewIsOneMoment(t *testing.T, store Store) {
	e := opened(t, store)
	apply(t, e, put("a", "1"), put("b", "1"), put("c", "1"))
	failure := errors.New("from within")
	err := e.View(func(r engine.Reader) error {
		if r.Epoch() != e.Epoch() {
			t.Errorf("the view is of epoch %d, the engine of %d", r.Epoch(), e.Epoch())
		}
		for round := range 3 {
			apply(t, e, put("a", "2"), del("b"), put("d", "2"))
			if v, err := r.Get([]byte("a")); err != nil || string(v) != "1" {
				t.Errorf("round %d: a is %q, %v", round, v, err)
			}
			if v, err := r.Get([]byte("b")); err != nil || string(v) != "1" {
				t.Errorf("round %d: b is %q, %v", round, v, err)
			}
			if v, err := r.Get([]byte("d")); !errors.Is(err, engine.ErrNotFound) {
				t.Errorf("round %d: d is %q, %v", round, v, err)
			}
			var got []pair
			if err := r.Scan(nil, nil, func(key, value []byte) error {
				got = append(got, pair{string(key), string(value)})
				return nil
			}); err != nil {
				t.Errorf("Scan: %v", err)
			}
			if want := []pair{{"a", "1"}, {"b", "1"}, {"c", "1"}}; !slices.Equal(got, want) {
				t.Errorf("round %d: the view holds %s, want %s", round, show(got), show(want))
			}
		}
		seen := 0
		if err := r.Scan(nil, nil, func(_, _ []byte) error { seen++; return engine.ErrStop }); err != nil || seen != 1 {
			t.Errorf("a stopped scan: %d keys, %v", seen, err)
		}
		return failure
	})
	if !errors.Is(err, failure) {
		t.Errorf("View returned %v, want what its function returned", err)
	}
	wantAll(t, e, []pair{{"a", "2"}, {"c", "1"}, {"d", "2"}})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.View(func(engine.Reader) error { t.Error("a closed engine was viewed"); return nil }); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("View after Close: %v", err)
	}
}
