package protect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/program"
)

// settings is hisgate's configuration: the defaults, but for the one client that
// all of the crowd are, since they call from one address (docs/protect.md).
const settings = `data_dir: %s
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0", webhook: "", ops: "127.0.0.1:0"}
limits: {client_rate: 5000, client_burst: 10000, client_in_flight: 2000}
his:
  driver: simhis
  simhis: {url: "%s"}
  capabilities: {find: true, idempotent_by_his_no: true, atomic_items: true, batch_size: %d}
payment: {enabled: false}
storage: {disk_reserve: 0}
`

// What hisgate does by these settings, for the promises that are checked.
const (
	breakerOpen      = 5 * time.Second
	queryTimeout     = 2 * time.Second
	busyAfterTimeout = 10 * time.Second
	maxAge           = 10 * time.Second
	maxJitter        = time.Second
)

// settingsFor is that configuration, in a folder and before a HIS.
func settingsFor(dir, hisURL string) string {
	return fmt.Sprintf(settings, strconv.Quote(filepath.Join(dir, "data")), hisURL, drugs)
}

// vitals are figures of the process.
type vitals struct {
	Goroutines int     `json:"goroutines"`
	HeapMiB    float64 `json:"heap_mib"`    // in use, what is to be collected included
	Unknown    int     `json:"unknown"`     // outcomes at the HIS
	Work       int     `json:"work"`        // locks for which the HIS is to be asked
	Breaker    float64 `json:"breaker"`     // 1 = open, 0.5 = trying
	Coalesced  float64 `json:"coalesced"`   // readers that a load of stock served
	Rejected   int     `json:"rejected"`    // calls that the guard turned away
	Stale      int     `json:"stale"`       // answers from old figures
	InFlight   int     `json:"in_flight"`   // calls of the crowd under way
	Lingering  int     `json:"lingering"`   // slots kept for calls that timed out
	MaxQueued  int     `json:"queued"`      // calls that wait for a slot
	Loads      int     `json:"stock_loads"` // batches read
}

// vitalsOf reads /metrics.
func vitalsOf(ctx context.Context, p *program.Program) (vitals, error) {
	m, err := p.Metrics(ctx)
	if err != nil {
		return vitals{}, err
	}
	if _, ok := m["go_goroutines"]; !ok {
		return vitals{}, errors.New("hisgate tells nothing of its goroutines")
	}
	loads := m["hisgate_stock_loads_total"]
	v := vitals{
		Goroutines: int(m["go_goroutines"]), HeapMiB: m["go_memstats_heap_alloc_bytes"] / (1 << 20),
		Unknown: int(m["hisgate_lock_unknown_outcomes"]), Work: int(m["hisgate_lock_work"]),
		Breaker: m["hisgate_guard_breaker_open"], Rejected: int(m["hisgate_guard_rejected_total"]),
		Stale: int(m["hisgate_stock_cache_stale_total"]), InFlight: int(m["hisgate_calls_in_flight"]),
		Lingering: int(m["hisgate_guard_lingering"]), MaxQueued: int(m["hisgate_guard_queued"]), Loads: int(loads),
	}
	if loads > 0 {
		v.Coalesced = m["hisgate_stock_load_waiters_total"] / loads
	}
	return v, nil
}
