package cache_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hisgate/hisgate/cache"
)

func figure(v int) cache.Push[int] {
	return cache.Push[int]{Amend: func(int) int { return v }}
}

func sequenced(v int, source string, n int64) cache.Push[int] {
	p := figure(v)
	p.Source, p.Sequence = source, &n
	return p
}

func TestAPushedFigureIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		loaded := s.read(t, "a")
		time.Sleep(time.Second)
		s.Push("a", figure(4))
		e := s.read(t, "a")
		wantValue(t, e, 4)
		if !e.AsOf().Equal(time.Now()) || e.Stamp != loaded.Stamp || !e.LoadedAt.Equal(loaded.LoadedAt) {
			t.Errorf("got %+v; the load under it must stay what it was", e)
		}
		wantCalls(t, s, 1)
	})
}

func TestAPushDoesNotRenewTheAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		for range 12 {
			s.read(t, "a")
			time.Sleep(time.Second)
			s.Push("a", figure(4))
		}
		wantCalls(t, s, 2)
	})
}

func TestChangedMeansReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		s.read(t, "a")
		s.set("a", 3)
		s.Push("a", cache.Push[int]{})
		wantValue(t, s.read(t, "a"), 3)
		wantCalls(t, s, 2)
	})
}

// A figure that has waited at its source, behind a backlog, is not shown as if it
// were of now: it tells that something changed.
func TestAFigureIsBelievedNoLongerThanAReadingOfItsTime(t *testing.T) {
	at := func(v int, age time.Duration) cache.Push[int] {
		p := figure(v)
		p.At = time.Now().Add(-age)
		return p
	}
	t.Run("too old is re-read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(t, nil)
			s.read(t, "a")
			s.set("a", 7)
			if !s.Push("a", at(3, 10*time.Second)) {
				t.Error("not applied")
			}
			wantValue(t, s.read(t, "a"), 7)
			wantCalls(t, s, 2)
			wantValue(t, s.read(t, "a"), 7)
			wantCalls(t, s, 2)
		})
	})
	t.Run("young is shown, and no longer than its age allows", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(t, func(o *cache.Options[string, int, int64]) { o.RefreshRank = 1 })
			s.read(t, "a")
			s.set("a", 7)
			s.Push("a", at(3, 8*time.Second))
			wantValue(t, s.read(t, "a"), 3)
			wantCalls(t, s, 1)
			time.Sleep(2 * time.Second)
			before := s.calls()
			if e, err := s.Get(t.Context(), "a", cache.Want{Rank: 3}); err != nil || e.Value != 7 {
				t.Errorf("got %+v, %v", e, err)
			}
			if rank := s.batch(before).Rank; rank != 1 {
				t.Errorf("read again at rank %d: it is the push that asked for it", rank)
			}
		})
	})
	t.Run("a clock that is ahead renews nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(t, nil)
			s.read(t, "a")
			s.Push("a", at(3, -time.Hour))
			wantValue(t, s.read(t, "a"), 3)
			time.Sleep(10 * time.Second)
			s.read(t, "a")
			wantCalls(t, s, 2)
		})
	})
	t.Run("too old outdates a load in flight, and is not laid over it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(t, nil)
			go s.Get(context.Background(), "a", cache.Want{})
			synctest.Wait()
			s.set("a", 7)
			s.Push("a", at(3, time.Minute))
			wantValue(t, s.read(t, "a"), 7)
			wantCalls(t, s, 2)
		})
	})
	t.Run("too old is not the last word when the source is down", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(t, nil)
			s.read(t, "a")
			s.fail(context.DeadlineExceeded)
			s.Push("a", at(3, time.Minute))
			e := s.read(t, "a")
			wantValue(t, e, 10)
			if !e.Stale {
				t.Error("not marked stale")
			}
		})
	})
	t.Run("young is laid over a load in flight, for as long as it is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(t, nil)
			go s.Get(context.Background(), "a", cache.Want{})
			synctest.Wait()
			s.Push("a", at(3, 5*time.Second))
			time.Sleep(time.Second)
			wantValue(t, s.read(t, "a"), 3)
			s.set("a", 7)
			time.Sleep(4 * time.Second)
			wantValue(t, s.read(t, "a"), 7)
			wantCalls(t, s, 2)
		})
	})
}

// [A3] What was on its way when the push came cannot undo it.
func TestAPushOutdatesALoadInFlight(t *testing.T) {
	for _, tc := range []struct {
		name      string
		push      cache.Push[int]
		shown     int  // once the outdated load has landed
		loadAgain bool // for a reader who comes then
	}{
		{"absolute figure", figure(2), 2, false},
		{"changed, re-read", cache.Push[int]{}, 1, true},
	} {
		for _, warm := range []bool{true, false} {
			name := tc.name + ", key not cached"
			if warm {
				name = tc.name + ", key cached"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSource(t, nil)
					if warm {
						s.read(t, "a")
						time.Sleep(time.Minute)
					}
					calls := s.calls()
					go s.Get(context.Background(), "a", cache.Want{})
					synctest.Wait() // the load is at the source and will bring 10
					if !s.Push("a", tc.push) {
						t.Fatal("not applied")
					}
					time.Sleep(100 * time.Millisecond)
					synctest.Wait()
					s.set("a", 1)
					e := s.read(t, "a")
					wantValue(t, e, tc.shown)
					wantExtra := 1
					if tc.loadAgain {
						wantExtra = 2
					}
					wantCalls(t, s, calls+wantExtra)
				})
			})
		}
	}
}

func TestNobodyJoinsAnOutdatedLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		go s.Get(context.Background(), "a", cache.Want{})
		synctest.Wait()
		before := s.stamps.Load()
		s.Push("a", cache.Push[int]{})
		if e := s.read(t, "a"); e.Stamp <= before {
			t.Errorf("answered by load %d, begun before the push", e.Stamp)
		}
		wantCalls(t, s, 2)
	})
}

func TestALiveReaderLearnsThatItsReadingIsOutdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		got := make(chan entry)
		go func() { got <- s.readLive(t, "a") }()
		synctest.Wait()
		s.Push("a", figure(2))
		e := <-got
		if !e.Outdated || e.Value != 10 {
			t.Errorf("got %+v; a push never feeds a live reading", e)
		}
	})
}

func TestChangedAfterAFigureInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		go s.Get(context.Background(), "a", cache.Want{})
		synctest.Wait()
		s.Push("a", figure(2))
		s.Push("a", cache.Push[int]{})
		time.Sleep(time.Second)
		if e, _ := s.Peek("a"); e.Value != 2 {
			t.Errorf("kept %d, want the pushed 2", e.Value)
		}
		if s.Fresh("a") {
			t.Error("fresh although called outdated")
		}
	})
}

func TestOlderPushesOfASourceAreDropped(t *testing.T) {
	for _, tc := range []struct {
		name    string
		push    cache.Push[int]
		applied bool
	}{
		{"later", sequenced(1, "mq", 8), true},
		{"the same again", sequenced(1, "mq", 7), false},
		{"earlier", sequenced(1, "mq", 6), false},
		{"another source counts by itself", sequenced(1, "outbox", 1), true},
		{"without a sequence", figure(1), true},
	} {
		for _, cached := range []bool{true, false} {
			t.Run(tc.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSource(t, nil)
					if cached {
						s.read(t, "a")
					}
					s.Push("a", sequenced(5, "mq", 7))
					if applied := s.Push("a", tc.push); applied != tc.applied {
						t.Errorf("applied = %v", applied)
					}
					if !cached {
						return // a figure without its facts is not shown
					}
					want := 5
					if tc.applied {
						want = 1
					}
					wantValue(t, s.read(t, "a"), want)
				})
			})
		}
	}
}

func TestAPushOfAnUnknownKeyHasItReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		s.read(t, "new")
		s.set("new", 9)
		s.Push("new", figure(9))
		if e := s.read(t, "new"); e.Absent || e.Value != 9 {
			t.Errorf("got %+v", e)
		}
	})
}

func TestAPushedFigureServesWhenTheSourceIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		s.read(t, "a")
		s.fail(context.DeadlineExceeded)
		time.Sleep(4 * time.Minute)
		s.Push("a", figure(6))
		time.Sleep(4 * time.Minute)
		e := s.read(t, "a")
		wantValue(t, e, 6)
		if !e.Stale {
			t.Error("not marked stale")
		}
	})
}

func TestChangesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, nil)
		s.read(t, "a")
		synctest.Wait()
		s.Push("a", figure(6))
		s.Push("b", cache.Push[int]{})
		s.Push("a", sequenced(1, "mq", 2))
		s.Push("a", sequenced(1, "mq", 1)) // dropped
		s.mu.Lock()
		defer s.mu.Unlock()
		if want := []string{"a", "a", "b", "a"}; !slices.Equal(s.changed, want) {
			t.Errorf("told %v, want %v", s.changed, want)
		}
	})
}

// A load that only pushes ask for has the rank of one that nobody waits for: what
// they cost the source is bounded by what that rank is given.
func TestChangesAreLoadedAtTheRefreshRank(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, func(o *cache.Options[string, int, int64]) { o.RefreshRank = 1 })
		get := func(key string) int {
			t.Helper()
			before := s.calls()
			if _, err := s.Get(t.Context(), key, cache.Want{Rank: 3}); err != nil {
				t.Fatal(err)
			}
			if s.calls() == before {
				t.Fatal("no load")
			}
			return s.batch(before).Rank
		}
		if rank := get("a"); rank != 3 {
			t.Errorf("the first load has rank %d", rank)
		}
		s.Push("a", cache.Push[int]{})
		s.Push("a", cache.Push[int]{})
		if rank := get("a"); rank != 1 {
			t.Errorf("after a push: rank %d", rank)
		}
		s.Push("a", cache.Push[int]{})
		go s.Get(context.Background(), "a", cache.Want{})
		synctest.Wait()
		s.Push("a", cache.Push[int]{}) // while it is being loaded
		time.Sleep(time.Second)
		if rank := get("a"); rank != 1 {
			t.Errorf("after a push that came in flight: rank %d", rank)
		}
		s.Push("a", cache.Push[int]{})
		time.Sleep(10 * time.Second) // its age would be over by now
		if rank := get("a"); rank != 3 {
			t.Errorf("when its age is over: rank %d", rank)
		}
		s.Push("a", cache.Push[int]{})
		before := s.calls()
		if _, err := s.Get(t.Context(), "a", cache.Want{Live: true, Rank: 4}); err != nil {
			t.Fatal(err)
		}
		if rank := s.batch(before).Rank; rank != 4 {
			t.Errorf("a live reader: rank %d", rank)
		}
	})
}
