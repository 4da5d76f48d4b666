package protect

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// ask calls the HIS in process; a connection that is cut is a panic there.
func ask(h *Hospital, op string) (answered bool) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/his/"+op, strings.NewReader(`{"keys":[{"pharmacy_id":"HLWYF","drug_id":"D001"}]}`)))
	return w.Code == http.StatusOK && strings.Contains(w.Body.String(), `"on_hand"`)
}

func unserved(t *testing.T) *Hospital {
	t.Helper()
	h, err := OpenHospital()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h.mood = Well // asked in process
	return h
}

// It bears four calls, resets the others, and counts both.
func TestTheHospitalCounts(t *testing.T) {
	h := unserved(t)
	synctest.Test(t, func(t *testing.T) {
		var answered atomic.Int32
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if ask(h, "query_stock") {
					answered.Add(1)
				}
			})
		}
		wg.Wait()
		if got, want := h.Total(), (Count{Calls: 6, Queries: 6, Turned: 2, AtOnce: 4}); got != want || answered.Load() != 4 {
			t.Errorf("%+v, %d answered; want %+v, 4", got, answered.Load(), want)
		}
		if s := h.Tick(); s.Calls != 6 || h.Tick() != (Second{}) {
			t.Errorf("a second of %+v", s)
		}
		h.Reset()
		h.mood = Dead
		if ask(h, "query_stock") || h.Total() != (Count{Calls: 1, Queries: 1}) {
			t.Errorf("dead, it counts %+v", h.Total())
		}
	})
}

// What a caller left behind goes on occupying it.
func TestTheHospitalWorksOnForCallersWhoLeft(t *testing.T) {
	h := unserved(t)
	synctest.Test(t, func(t *testing.T) {
		h.mood = Crawls
		for range hisLimit {
			go ask(h, "query_stock")
		}
		time.Sleep(hisCrawl - time.Second)
		if ask(h, "query_stock") {
			t.Error("a fifth call was served")
		}
		time.Sleep(2 * time.Second)
		h.mood = Well
		if !ask(h, "query_stock") {
			t.Error("nothing is served when the crawl is over")
		}
	})
}

// The driver finds it where it is served, also after it was away.
func TestTheHospitalComesBack(t *testing.T) {
	h, err := OpenHospital()
	if err != nil {
		t.Fatal(err)
	}
	read := func() error {
		_, _, err := plainly(h.URL()).read(t.Context(), drugID(1))
		return err
	}
	if err := read(); err != nil {
		t.Errorf("well: %v", err)
	}
	if err := h.Set(Refuses); err != nil {
		t.Fatal(err)
	}
	if err := read(); err == nil {
		t.Error("served while it refuses")
	}
	if err := h.Set(Dead); err != nil {
		t.Fatal(err)
	}
	if err := read(); err == nil {
		t.Error("served while it is dead")
	}
	if err := h.Set(Well); err != nil {
		t.Fatal(err)
	}
	if err := read(); err != nil {
		t.Errorf("back: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if orders, err := h.Orders(); err != nil || len(orders) != 0 {
		t.Errorf("orders %v, %v", orders, err)
	}
}
