package protect

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
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

// program is hisgate in a process of its own.
type program struct {
	cmd     *exec.Cmd
	grpc    string
	ops     string
	stopped chan error
}

// startProgram starts it in a folder, and waits until it is up. Its log stays in
// the folder.
func startProgram(file, dir, hisURL string) (_ *program, err error) {
	config := filepath.Join(dir, "hisgate.yaml")
	text := fmt.Sprintf(settings, strconv.Quote(filepath.Join(dir, "data")), hisURL, drugs)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "hisgate.log"))
	if err != nil {
		return nil, err
	}
	p := &program{cmd: exec.Command(file, "serve", "-c", config), stopped: make(chan error, 1)}
	words, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	up := make(chan bool, 1)
	go func() {
		defer log.Close()
		p.follow(words, log, up)
		p.stopped <- p.cmd.Wait()
	}()
	select {
	case ok := <-up:
		if ok {
			return p, nil
		}
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%s ended at once: %w; it says: %s", file, <-p.stopped, said)
	case <-time.After(30 * time.Second):
		return nil, errors.Join(fmt.Errorf("%s is not up after 30 s", file), p.cmd.Process.Kill())
	}
}

// follow keeps the log, and finds in it where hisgate is to be reached.
func (p *program) follow(words io.Reader, log io.Writer, up chan<- bool) {
	lines := bufio.NewScanner(words)
	lines.Buffer(nil, 1<<20)
	for found := false; lines.Scan(); {
		fmt.Fprintln(log, lines.Text())
		var line struct{ Msg, GRPC, Ops string }
		if !found && json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "hisgate is up" {
			p.grpc, p.ops, found = line.GRPC, line.Ops, true
			up <- true
		}
	}
	select {
	case up <- false:
	default:
	}
}

// stop ends it in good order.
func (p *program) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case err := <-p.stopped:
		return err
	case <-time.After(time.Minute):
		return errors.Join(errors.New("hisgate does not stop"), p.cmd.Process.Kill())
	}
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

// vitals reads /metrics.
func (p *program) vitals(ctx context.Context) (vitals, error) {
	m, err := scrape(ctx, "http://"+p.ops+"/metrics")
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

// scrape reads figures in Prometheus' text format; those of one name are summed.
func scrape(ctx context.Context, url string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if at := strings.LastIndexByte(lines.Text(), '}'); at >= 0 {
			name, value, ok = lines.Text()[:strings.IndexByte(lines.Text(), '{')], strings.TrimSpace(lines.Text()[at+1:]), true
		}
		if f, err := strconv.ParseFloat(value, 64); ok && err == nil {
			out[name] += f
		}
	}
	return out, lines.Err()
}
