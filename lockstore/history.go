package lockstore

import (
	"math"
	"slices"
	"time"
	"unicode/utf8"
)

// A history keeps its beginning and its end; what lies between is what repeats.
const (
	maxSteps   = 32
	firstSteps = 8
	maxWords   = 400 // bytes of one text from outside: a HIS message, a case's reason
)

// appendStep adds a step, folding a repeat of the last one into its count and
// dropping the oldest step behind the first ones when there are too many.
func appendStep(steps []Step, s Step) []Step {
	s.Message = clip(s.Message)
	s.Code = clip(s.Code)
	if n := len(steps); n > 0 && sameStep(&steps[n-1], &s) {
		last := &steps[n-1]
		last.Count += s.Count
		last.Last = s.Time
		return steps
	}
	steps = append(steps, s)
	if len(steps) > maxSteps {
		steps = slices.Delete(steps, firstSteps, len(steps)-maxSteps+firstSteps)
	}
	return steps
}

func sameStep(a, b *Step) bool {
	return a.From == b.From && a.To == b.To && a.Event == b.Event &&
		a.Code == b.Code && a.Message == b.Message && a.Actor == b.Actor
}

// clip cuts a text to maxWords bytes without splitting a character.
func clip(s string) string {
	if len(s) <= maxWords {
		return s
	}
	end := maxWords
	for end > maxWords-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// The span of times that fit into int64 nanoseconds; a HIS that means "never" by
// the year 9999 is taken to mean the end of it.
var (
	firstTime = time.Unix(0, math.MinInt64+1)
	lastTime  = time.Unix(0, math.MaxInt64)
)

// plain brings a time into the form in which it is stored: UTC, whole
// nanoseconds since 1970, no monotonic part. The zero time stays zero.
func plain(t time.Time) time.Time {
	switch {
	case t.IsZero():
		return time.Time{}
	case t.Before(firstTime):
		t = firstTime
	case t.After(lastTime):
		t = lastTime
	}
	return time.Unix(0, t.UnixNano()).UTC()
}
