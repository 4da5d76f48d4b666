package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/load"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/program"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/report"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/systems"
)

// Options of a run.
type Options struct {
	Program  string            // the file of hisgate
	Dir      string            // an empty folder
	Postgres *systems.Postgres // nil = without
	Rounds   int               // of each case
	For      time.Duration     // of one turn of one system
	Wants    func(name string) bool
}

// settings are the defaults, but for the limits, which are high and still count, and
// the rate at which the HIS may be asked, which is not what is measured here.
const settings = `data_dir: %s
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0", webhook: "", ops: "127.0.0.1:0"}
limits: {client_rate: 1000000, client_burst: 1000000, rate: 1000000, burst: 1000000}
his:
  driver: simhis
  simhis: {url: %q}
  capabilities: {find: true, idempotent_by_his_no: true, atomic_items: true, batch_size: 100}
  guard: {rate: 1000, burst: 1000}
lock: {reading: %s}
payment: {enabled: false}
storage: {disk_reserve: 0}
`

// side is one system in one case.
type side struct {
	name    string
	op      op
	next    *atomic.Int64
	samples []load.Sample
	cpu     []time.Duration // of client and server, for one call
	his     []report.Run    // calls that the HIS saw, in each round
}

// runner is a run under way.
type runner struct {
	Options
	his     *hospital
	drugs   []string
	systems map[string]*session // hisgate, "live", peer
	next    map[string]*atomic.Int64
}

// Do measures the cases that are wanted, and hands each to tell when it is done. It
// starts hisgate, a HIS and the peer, and ends them.
func Do(ctx context.Context, o Options, tell func([]report.Figure, []report.Row) error) (err error) {
	wanted := slices.DeleteFunc(cases(), func(c testCase) bool { return !o.Wants(c.name) })
	if len(wanted) == 0 {
		return nil
	}
	r := &runner{Options: o, drugs: systems.Drugs(lockDrugs), systems: map[string]*session{}, next: map[string]*atomic.Int64{}}
	if r.his, err = openHospital(r.drugs); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.his.Close()) }()
	for _, live := range []bool{false, true} {
		if !slices.ContainsFunc(wanted, func(c testCase) bool { return c.live == live }) {
			continue
		}
		stop, err := r.startHisgate(live)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	if r.Postgres != nil {
		if err := r.Postgres.Reset(ctx, systems.Shape{Drugs: r.drugs, Items: 1}); err != nil {
			return err
		}
	}
	stop, err := r.startPeer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for _, c := range wanted {
		sides := r.sides(c)
		if err := r.measure(ctx, sides); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if err := tell(figures(c, sides), rows(c, sides)); err != nil {
			return err
		}
	}
	return nil
}

func systemName(live bool) string {
	if live {
		return "live"
	}
	return ours
}

// startHisgate starts one whose locks are judged on live readings, or on cached ones.
func (r *runner) startHisgate(live bool) (stop func() error, err error) {
	name, reading := systemName(live), map[bool]string{false: "cached", true: "live"}[live]
	dir := filepath.Join(r.Dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	p, err := program.Start(r.Program, dir, fmt.Sprintf(settings, strconv.Quote(filepath.Join(dir, "data")), r.his.URL(), reading))
	if err != nil {
		return nil, err
	}
	s, err := dial(addresses{p.GRPC, p.HTTP}, r.drugs)
	if err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	r.systems[name] = s
	return func() error { return errors.Join(s.close(), p.Stop()) }, nil
}

// startPeer starts this program as the peer. It ends with us, however we end,
// because its standard input does.
func (r *runner) startPeer(ctx context.Context) (stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"peer"}
	if r.Postgres != nil {
		args = append(args, "--postgres", r.Postgres.DSN())
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var a addresses
	if err := json.NewDecoder(out).Decode(&a); err != nil {
		return nil, errors.Join(fmt.Errorf("the peer: %w", err), in.Close(), cmd.Wait())
	}
	s, err := dial(a, r.drugs)
	if err != nil {
		return nil, errors.Join(err, in.Close(), cmd.Wait())
	}
	r.systems["peer"] = s
	return func() error { return errors.Join(s.close(), in.Close(), cmd.Wait()) }, nil
}

// PeerUp writes where a peer serves, for who started it.
func PeerUp(out io.Writer) func(grpcAddr, httpAddr string) error {
	return func(g, h string) error { return json.NewEncoder(out).Encode(addresses{g, h}) }
}

// sides of a case; the first is hisgate.
func (r *runner) sides(c testCase) []*side {
	system := systemName(c.live)
	out := []*side{{name: ours, op: c.call(r.systems[system], c.hot, c.live), next: r.counter(system)}}
	for _, name := range c.peers {
		call, where := c.call, "peer"
		switch name {
		case postgres:
			if r.Postgres == nil {
				continue
			}
		case emptyCall:
			call = emptyOverGRPC
		case healthCall:
			call, where = healthOverGRPC, system
		}
		out = append(out, &side{name: name, op: call(r.systems[where], c.hot, c.live), next: r.counter(name)})
	}
	return out
}

// counter numbers the calls of a system, through all cases: an order is new once.
func (r *runner) counter(system string) *atomic.Int64 {
	if r.next[system] == nil {
		r.next[system] = new(atomic.Int64)
	}
	return r.next[system]
}

// measure lets the systems warm up, and then take turns; each round begins with
// another one.
func (r *runner) measure(ctx context.Context, sides []*side) error {
	for round := range r.Rounds + 1 {
		for i := range sides {
			s := sides[(i+round)%len(sides)]
			runtime.GC() // nobody pays for another's garbage
			ops := make([]load.Op, inFlight)
			for j := range ops {
				ops[j] = load.Op(s.op)
			}
			asked, used := r.his.calls(), systems.CPU()
			sample, err := load.Run(ctx, ops, s.next, load.Bounds{For: r.For})
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			used = systems.CPU() - used
			if round > 0 { // the first was to warm up
				s.samples = append(s.samples, sample)
				s.cpu = append(s.cpu, used/time.Duration(max(1, sample.Done)))
				s.his = append(s.his, report.Run{Ours: float64(r.his.calls() - asked)})
			}
		}
	}
	return nil
}
