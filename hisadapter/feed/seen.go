package feed

import (
	"sync"
	"time"
)

// mark is the beginning of a post's signature: two posts that are not the same
// have another, and nobody without the key can make one.
type mark [16]byte

// maxSeen bounds the posts that are remembered in each of two generations.
const maxSeen = 200_000

// seen remembers posts for as long as their timestamps are good. It keeps two
// generations, and forgets the older one when every post in it is too old to be
// taken by its timestamp: a post's timestamp is at most Window ahead of the
// moment it came, and good for Window after.
type seen struct {
	// Posts signed before are not remembered; whole seconds, rounded up. One that was
	// signed by a clock ahead of ours may be after it and taken a second time.
	since time.Time
	most  int

	mu       sync.Mutex
	now, old map[mark]bool // whether it is done, and not only under way
	began    time.Time     // of now
}

func newSeen(now time.Time, most int) *seen {
	return &seen{since: now.Add(time.Second - 1).Truncate(time.Second), most: most, now: map[mark]bool{}, old: map[mark]bool{}, began: now}
}

// verdict of begin.
type verdict uint8

const (
	seenNew verdict = iota
	seenBefore
	seenUnderWay
	seenTooMany
)

// begin remembers a post as one under way, unless it is remembered already or
// there is no room. end follows.
func (s *seen) begin(m mark, now time.Time) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.began) > 2*Window {
		s.old, s.now, s.began = s.now, map[mark]bool{}, now
	}
	for _, posts := range []map[mark]bool{s.now, s.old} {
		done, ok := posts[m]
		switch {
		case ok && done:
			return seenBefore
		case ok:
			return seenUnderWay
		}
	}
	if len(s.now) >= s.most {
		return seenTooMany
	}
	s.now[m] = false
	return seenNew
}

// end says what became of a post that began: it is done, or did not take effect
// and may come again.
func (s *seen) end(m mark, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, posts := range []map[mark]bool{s.now, s.old} {
		if _, ok := posts[m]; !ok {
			continue
		}
		if done {
			posts[m] = true
		} else {
			delete(posts, m)
		}
	}
}
