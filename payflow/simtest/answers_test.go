package simtest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
)

// answers is what hisgate has told the world and must stand by, whatever dies
// (I3).
type answers struct {
	mu sync.Mutex
	told
}

type told struct {
	orders map[string]payflow.Order  // as last told
	locks  map[string]lockstore.Lock // of the internal services
	verbs  map[string][]string       // request ids by case
}

func (a *answers) init() {
	a.orders, a.locks, a.verbs = map[string]payflow.Order{}, map[string]lockstore.Lock{}, map[string][]string{}
}

func (t told) clone() told {
	c := told{orders: cloneMap(t.orders), locks: cloneMap(t.locks), verbs: cloneMap(t.verbs)}
	for id := range c.verbs {
		c.verbs[id] = slices.Clone(c.verbs[id])
	}
	return c
}

// order keeps what a client was told of an order.
func (a *answers) order(w *world, o *payflow.Order) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.Version > a.orders[o.No].Version {
		a.orders[o.No] = *o
	}
}

func (a *answers) lock(w *world, l *lockstore.Lock) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.locks[l.OrderNo]
	if l.Attempt > old.Attempt || l.Attempt == old.Attempt && l.Version > old.Version {
		a.locks[l.OrderNo] = *l
	}
}

func (a *answers) verb(caseID, requestID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.verbs[caseID] = append(a.verbs[caseID], requestID)
}

// afterOpening holds what was told before the death against what is there.
func (w *world) afterOpening(l *life) {
	w.standsBy(l)
}

func (w *world) standsBy(l *life) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w.said.mu.Lock()
	orders, locks, verbs := cloneMap(w.said.orders), cloneMap(w.said.locks), cloneMap(w.said.verbs)
	w.said.mu.Unlock()
	const rule = "I3 what was answered is still true"
	for _, no := range sorted(orders) {
		told := orders[no]
		o, err := l.orders.Get(ctx, "", no)
		switch {
		case errors.Is(err, payflow.ErrNotFound):
			w.violated(rule, no, "it was answered %s (version %d), and is gone", told.State, told.Version)
		case err != nil: // dying again
		case o.Version < told.Version:
			w.violated(rule, no, "it was answered %s as version %d, and is %s as version %d", told.State, told.Version, o.State, o.Version)
		case told.Cancelled && !o.Cancelled:
			w.violated(rule, no, "it was answered as cancelled")
		}
	}
	for _, no := range sorted(locks) {
		told := locks[no]
		lk, err := l.gateway.GetLock(ctx, service, no)
		switch {
		case errors.Is(err, lockstore.ErrNotFound):
			w.violated(rule, no, "the lock was answered %v, and is gone", told.Status)
		case err != nil:
		case lk.Attempt == told.Attempt && lk.Version < told.Version:
			w.violated(rule, no, "the lock was answered %v as version %d, and is %v as version %d", told.Status, told.Version, lk.Status, lk.Version)
		case told.Status == lockstore.Confirmed && lk.Status != lockstore.Confirmed:
			w.violated(rule, no, "the lock was answered CONFIRMED, and is %v", lk.Status)
		}
	}
	for _, id := range sorted(verbs) {
		c, err := l.orders.GetCase(ctx, id)
		if errors.Is(err, payflow.ErrNotFound) {
			w.violated(rule, id, "a verb on the case was acknowledged, and the case is gone")
			continue
		}
		for _, request := range verbs[id] {
			if err == nil && !slices.ContainsFunc(c.Audit, func(a payflow.AuditEntry) bool { return a.RequestID == request }) {
				w.violated(rule, strings.SplitN(id, ".", 2)[0], "verb %s on case %s was acknowledged, and left no trace", request, id)
			}
		}
	}
}

func cloneMap[V any](m map[string]V) map[string]V {
	out := make(map[string]V, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
