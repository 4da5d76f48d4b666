package cache_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/cache"
)

func refreshing(o *cache.Options[string, int, int64]) {
	o.RefreshAfter, o.RefreshRank = 7*time.Second, 1
}

// TestRefreshBehindAReader: a reader of an ageing value does not wait, the next
// ones find the new value, and a key that nobody reads is left alone.
func TestRefreshBehindAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, refreshing)
		s.read(t, "a")
		s.read(t, "b")
		before := s.calls()
		time.Sleep(7 * time.Second)
		s.set("a", 11)
		began := time.Now()
		for range 100 {
			if e := s.read(t, "a"); e.Waited || e.Value != 10 {
				t.Fatalf("a reader of an ageing value got %+v", e)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("its readers waited %v", took)
		}
		time.Sleep(150 * time.Millisecond)
		wantCalls(t, s, before+1)
		if b := s.batch(before); b.Rank != 1 || b.Live {
			t.Errorf("the load behind: %+v", b)
		}
		time.Sleep(5 * time.Second) // the first value's age is over
		if e := s.read(t, "a"); e.Waited || e.Value != 11 {
			t.Errorf("after the refresh: %+v", e)
		}
		if st := s.Stats(); st.Refreshes != 1 {
			t.Errorf("%d refreshes", st.Refreshes)
		}
		time.Sleep(time.Hour)
		wantCalls(t, s, before+1)
	})
}

// TestARefreshThatFailsIsTriedOnce: the value stays until its age is over, and
// then its reader waits as ever. The strict age holds.
func TestARefreshThatFailsIsTriedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, refreshing)
		s.read(t, "a")
		s.fail(errors.New("down"))
		for range 20 {
			time.Sleep(140 * time.Millisecond)
			s.read(t, "a")
		}
		time.Sleep(4200 * time.Millisecond)
		for range 20 { // from 7.1 s to 9.9 s
			if e := s.read(t, "a"); e.Stale {
				t.Fatalf("%+v", e)
			}
			time.Sleep(140 * time.Millisecond)
		}
		wantCalls(t, s, 2)
		s.fail(nil)
		s.set("a", 12)
		time.Sleep(time.Second)
		if e := s.read(t, "a"); !e.Waited || e.Value != 12 {
			t.Errorf("past its age: %+v", e)
		}
		wantCalls(t, s, 3)
	})
}

// TestAReaderWhoJoinsARefreshRaisesIt: what somebody waits for is no refresh any
// more.
func TestAReaderWhoJoinsARefreshRaisesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, func(o *cache.Options[string, int, int64]) {
			refreshing(o)
			o.Loaders, o.BatchSize = 1, 1
		})
		s.read(t, "a")
		time.Sleep(8 * time.Second)
		s.slow(5 * time.Second)
		go func() { _, _ = s.Get(t.Context(), "b", cache.Want{Rank: 3}) }() // the one loader is busy
		synctest.Wait()
		s.read(t, "a") // queues behind it
		time.Sleep(3 * time.Second)
		if e, err := s.Get(t.Context(), "a", cache.Want{Rank: 3}); err != nil || !e.Waited {
			t.Fatalf("%+v %v", e, err)
		}
		wantCalls(t, s, 3)
		if b := s.batch(2); b.Keys[0] != "a" || b.Rank != 3 {
			t.Errorf("the load: %+v", b)
		}
	})
}

// TestStats: what was answered from where, and how many readers each load served.
func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		for range 50 {
			go func() { _, _ = s.Get(t.Context(), "a", cache.Want{}) }()
		}
		synctest.Wait()
		if st := s.Stats(); st.Waiting != 50 || st.Flying != 1 || st.Loads != 1 {
			t.Errorf("while loading: %+v", st)
		}
		time.Sleep(time.Second)
		s.read(t, "a")
		s.readLive(t, "b")
		_, _ = s.Get(t.Context(), "nothing", cache.Want{})
		s.Push("a", cache.Push[int]{Sequence: new(int64(2)), Amend: func(int) int { return 1 }})
		s.Push("a", cache.Push[int]{Sequence: new(int64(1)), Amend: func(int) int { return 2 }})
		time.Sleep(time.Minute)
		s.fail(errors.New("down"))
		s.read(t, "a")
		if _, err := s.Get(t.Context(), "c", cache.Want{}); err == nil {
			t.Fatal("read what cannot be read")
		}
		want := cache.Stats{
			Hits: 1, Stale: 1, Failed: 1, Loads: 5, LiveLoads: 1, LoadedKeys: 5, FailedKeys: 2, Waiters: 54,
			Pushes: 1, PushesDropped: 1, Keys: 3, Absent: 1,
		}
		if got := s.Stats(); got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

// TestAKeyThatNobodyReadsIsLeftAlone: it rides along in a batch with room once,
// because it was read since its last load, and then no more.
func TestAKeyThatNobodyReadsIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		s.read(t, "b")
		for i, want := range []int{1, 2, 1, 1} {
			s.read(t, "a")
			if b := s.batch(i + 1); len(b.Keys) != want || b.Keys[0] != "a" {
				t.Errorf("load %d: %v, want %d keys", i+1, b.Keys, want)
			}
			time.Sleep(11 * time.Second)
		}
	})
}
