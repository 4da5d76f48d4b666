package alarm

import "time"

// standing is where the alert of a rule stands; see the picture in the package
// comment.
type standing struct {
	pending time.Time // since when the rule holds without a break; zero = it does not
	firing  time.Time // since when people know; zero = they do not
	held    time.Time // when it last held
	told    time.Time // when they were told last
	value   float64   // when it last held
}

// news is what people are to be told of a rule.
type news uint8

const (
	nothing news = iota
	begun        // it holds
	goesOn       // it holds still, and it was told long ago
	ended
)

// turn takes in how the rule was judged at a moment.
func (s *standing) turn(r *Rule, at time.Time, value float64, holds bool, repeat time.Duration) news {
	if holds {
		s.held, s.value = at, value
		if s.pending.IsZero() {
			s.pending = at
		}
	} else {
		s.pending = time.Time{}
	}
	switch {
	case s.firing.IsZero() && holds && at.Sub(s.pending) >= r.For:
		s.firing, s.told = at, at
		return begun
	case s.firing.IsZero():
		return nothing
	case !holds && at.Sub(s.held) >= r.Keep:
		*s = standing{firing: s.firing, held: s.held, value: s.value} // for the message; the caller clears it
		return ended
	case holds && at.Sub(s.told) >= repeat:
		s.told = at
		return goesOn
	default:
		return nothing
	}
}
