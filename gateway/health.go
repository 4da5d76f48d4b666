package gateway

import (
	"fmt"
	"sync"
	"time"

	"github.com/hisgate/hisgate/cache"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// reads remembers how the last batch read ended.
type reads struct {
	mu  sync.Mutex
	err error // of a batch of which nothing could be read
}

// note remembers how a batch ended, and reports whether that is news.
func (r *reads) note(failed bool, err error) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed = failed != (r.err != nil)
	r.err = nil
	if failed {
		r.err = err
	}
	return changed
}

func (r *reads) last() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Health returns in words why the gateway is degraded; nothing when all is well.
func (g *Gateway) Health() []string {
	var out []string
	if err := g.ledger.Health(); err != nil {
		out = append(out, "ledger: "+err.Error())
	}
	if err := g.reads.last(); err != nil {
		e := hisError(opQueryStock, err)
		out = append(out, fmt.Sprintf("HIS: stock cannot be read (%s)", e.Outcome))
	}
	s := g.ledger.Stats()
	if g.ledger.Restore().Recovering() {
		out = append(out, fmt.Sprintf("restored from a backup: the HIS is still to be asked about %d locks", s.Asking))
	}
	if s.OldestUnknown > g.settings.Resolver.CaseAfter {
		out = append(out, fmt.Sprintf("%d outcomes at the HIS are unknown, the oldest for %v",
			s.Unknown, s.OldestUnknown.Round(time.Second)))
	}
	return out
}

// State are the gateway's figures of one moment, for metrics and operators.
type State struct {
	Ledger       lockstore.Stats
	Cache        cache.Stats
	Answers      Answers
	Recovering   bool // after a restore from a backup: no attempt begins
	Degraded     bool // the last batch read brought nothing: readers are given old figures
	Jobs         int  // locks that are being worked on
	Paused       int  // locks whose next try waits
	Watchers     int
	Capabilities hisadapter.Capabilities
}

// State returns the figures of now.
func (g *Gateway) State() State {
	jobs, paused := g.desk.size()
	return State{
		Ledger: g.ledger.Stats(), Cache: g.cache.Stats(), Answers: g.tally.read(), Recovering: g.ledger.Restore().Recovering(), Degraded: g.reads.last() != nil,
		Jobs: jobs, Paused: paused,
		Watchers: int(g.hub.count.Load()), Capabilities: g.caps,
	}
}
