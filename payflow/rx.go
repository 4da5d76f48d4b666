package payflow

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// attributeRx is the attribute that holds the prescription number.
const attributeRx = "rx_no"

// live tells whether the order serves, or may yet serve, its prescription [D5].
func (o *Order) live() bool {
	switch o.State {
	case Closed, Rejected, Refunded:
		return false
	case Refunding:
		return o.WasFulfilled
	default:
		return true
	}
}

// rxIndex knows the live orders of a prescription whose writes may not be durable
// yet; the durable ones stand under prefixRx. Under Service.judge.
type rxIndex map[string]map[string]struct{}

func (x rxIndex) set(o *Order) {
	rx := o.Attributes[attributeRx]
	if rx == "" {
		return
	}
	if !o.live() {
		delete(x[rx], o.No)
		if len(x[rx]) == 0 {
			delete(x, rx)
		}
		return
	}
	if x[rx] == nil {
		x[rx] = map[string]struct{}{}
	}
	x[rx][o.No] = struct{}{}
}

// rest forgets an order that is durable at rest: the stored index knows it.
func (x rxIndex) rest(o *Order) {
	rx := o.Attributes[attributeRx]
	delete(x[rx], o.No)
	if len(x[rx]) == 0 {
		delete(x, rx)
	}
}

// liveElsewhere names another live or fulfilled order of the prescription, ""
// when there is none. Callers hold judge.
func (s *Service) liveElsewhere(rx, no string) (string, error) {
	for _, other := range slices.Sorted(maps.Keys(s.rx[rx])) {
		if other != no {
			return other, nil
		}
	}
	prefix := prefixRx + rx + "\x00"
	found := ""
	err := s.engine.Scan([]byte(prefix), after(prefix), func(key, _ []byte) error {
		other := strings.TrimPrefix(string(key), prefix)
		if other == no {
			return nil
		}
		o, _, err := s.load(other)
		switch {
		case err != nil:
			return err
		case o == nil || !o.live(): // its newest writes are on their way
			return nil
		}
		found = other
		return engine.ErrStop
	})
	if err != nil && !errors.Is(err, engine.ErrStop) {
		return "", err
	}
	return found, nil
}
