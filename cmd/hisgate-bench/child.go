package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/load"
	"github.com/hisgate/hisgate/cmd/hisgate-bench/internal/systems"
)

// childCmd is a process with a ledger, so that it can be killed, and weighed. It
// opens the ledger, says how that went, and then does what standard input says,
// line by line, until that ends:
//
//	fill            lock, with ackCallers callers, until killed; every
//	                acknowledged number goes to file descriptor 3
//	verify FILE     look for the order of every number in the file
//	lock N          lock N orders
//	end N           lock and release N orders
//	time DURATION   lock for so long with 64 callers
//	purge DURATION  the same, and purge what has ended all the while
//	rest            wait until nothing is at work any more
//	weigh           say how much memory is in use, and which number comes next
//	from N          take numbers from N on
//
// To each line but fill the answer is one JSON object.
type childCmd struct {
	Dir   string `required:""`
	Pprof string `placeholder:"FILE" help:"Write a CPU profile of the opening to a file."`
}

// reply is what a child says.
type reply struct {
	Seconds float64 `json:"seconds"`       // the opening, or the command, took
	CPU     float64 `json:"cpu,omitempty"` // seconds of processor time for the opening
	Active  int     `json:"active"`
	Found   int64   `json:"found,omitempty"`
	Missing int64   `json:"missing,omitempty"`
	Rate    float64 `json:"rate,omitempty"`
	P50     float64 `json:"p50,omitempty"` // seconds that a single call took
	P99     float64 `json:"p99,omitempty"`
	Max     float64 `json:"max,omitempty"`
	Purged  int     `json:"purged,omitempty"`
	Next    int64   `json:"next,omitempty"`
	MiB     float64 `json:"mib,omitempty"` // of memory that is not a mapped file
	Error   string  `json:"error,omitempty"`
}

const ackCallers = 256

// childWork is a child at work.
type childWork struct {
	open  *systems.Open
	drugs []string
	next  atomic.Int64
}

// Run is the child's life.
func (c *childCmd) Run(ctx context.Context) (err error) {
	stop, err := profile(c.Pprof)
	if err != nil {
		return err
	}
	before := systems.CPU()
	open, err := systems.OpenLedger(ctx, c.Dir, nil, time.Millisecond)
	cpu := systems.CPU() - before
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, open.Close()) }()
	w := &childWork{open: open, drugs: systems.Drugs(spreadDrugs)}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(w.reply(open.Took, cpu)); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		command, arg, _ := strings.Cut(in.Text(), " ")
		start := time.Now()
		r, err := w.do(ctx, command, arg)
		if err != nil {
			r.Error = err.Error()
		}
		r.Seconds = time.Since(start).Seconds()
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func (w *childWork) reply(took, cpu time.Duration) reply {
	active := 0
	for _, n := range w.open.Ledger.Stats().ByStatus {
		active += n
	}
	return reply{Seconds: took.Seconds(), CPU: cpu.Seconds(), Active: active}
}

func (w *childWork) do(ctx context.Context, command, arg string) (reply, error) {
	var r reply
	var err error
	switch command {
	case "fill":
		err = w.fill(ctx, os.NewFile(3, "acknowledged"))
	case "verify":
		r.Found, r.Missing, err = w.verify(ctx, arg)
	case "lock", "end":
		var n int64
		if n, err = strconv.ParseInt(arg, 10, 64); err == nil {
			err = w.many(ctx, command == "end", n)
		}
	case "time", "purge":
		var during time.Duration
		if during, err = time.ParseDuration(arg); err == nil {
			return w.time(ctx, during, command == "purge")
		}
	case "rest":
		err = rest(ctx)
	case "weigh":
		r.Next = w.next.Load()
		r.MiB, err = ownMemory()
	case "from":
		var n int64
		n, err = strconv.ParseInt(arg, 10, 64)
		w.next.Store(n)
	default:
		err = fmt.Errorf("no such command: %s", command)
	}
	return r, err
}

func (w *childWork) ops(callers int, op load.Op) []load.Op {
	ops := make([]load.Op, callers)
	for i := range ops {
		ops[i] = op
	}
	return ops
}

func (w *childWork) lock(ctx context.Context, i int64) error {
	s := systems.LedgerSession{Ledger: w.open.Ledger}
	return s.Lock(ctx, systems.OrderNo(i), systems.Basket(w.drugs, 1, i))
}

func (w *childWork) lockAndRelease(ctx context.Context, i int64) error {
	if err := w.lock(ctx, i); err != nil {
		return err
	}
	return systems.LedgerSession{Ledger: w.open.Ledger}.Release(ctx, systems.OrderNo(i))
}

func (w *childWork) many(ctx context.Context, end bool, n int64) error {
	if n == 0 {
		return nil
	}
	op := w.lock
	if end {
		op = w.lockAndRelease
	}
	const piece = 1 << 20 // a load remembers how long each call took
	for end := w.next.Load() + n; w.next.Load() < end; {
		last := min(end, w.next.Load()+piece)
		_, err := load.Run(ctx, w.ops(ackCallers, op), &w.next, load.Bounds{For: math.MaxInt64, Last: last})
		w.next.Store(last)
		if err != nil {
			return err
		}
	}
	return nil
}

// time locks for so long, and purges beside it, as the gateway does, when told to.
func (w *childWork) time(ctx context.Context, during time.Duration, purge bool) (r reply, err error) {
	purging, stop := context.WithCancel(ctx)
	defer stop()
	purged := make(chan error, 1)
	go func() {
		if !purge {
			purged <- nil
			return
		}
		var err error
		if r.Purged, err = w.open.Ledger.PurgeAll(purging); purging.Err() != nil {
			err = nil // it was stopped; what stopped us is told by the load
		}
		purged <- err
	}()
	s, err := load.Run(ctx, w.ops(64, w.lock), &w.next, load.Bounds{For: during})
	stop()
	err = errors.Join(err, <-purged)
	r.Rate, r.P50, r.P99, r.Max = s.Rate(), s.P50.Seconds(), s.P99.Seconds(), s.Max.Seconds()
	return r, err
}

// fill tells each acknowledgement in a write of its own: what the pipe took is
// what a caller would have seen.
func (w *childWork) fill(ctx context.Context, acks io.Writer) error {
	_, err := load.Run(ctx, w.ops(ackCallers, func(ctx context.Context, i int64) error {
		if err := w.lock(ctx, i); err != nil {
			return err
		}
		_, err := acks.Write(binary.BigEndian.AppendUint64(nil, uint64(i)))
		return err
	}), &w.next, load.Bounds{For: math.MaxInt64})
	return err
}

func (w *childWork) verify(ctx context.Context, name string) (found, missing int64, err error) {
	acked, err := os.ReadFile(name)
	if err != nil {
		return 0, 0, err
	}
	s := systems.LedgerSession{Ledger: w.open.Ledger}
	for ; len(acked) >= 8; acked = acked[8:] {
		has, err := s.Has(ctx, systems.OrderNo(int64(binary.BigEndian.Uint64(acked))))
		switch {
		case err != nil:
			return found, missing, err
		case has:
			found++
		default:
			missing++
		}
	}
	return found, missing, nil
}

// restLimit bounds the wait for Badger's compactions.
const restLimit = 3 * time.Minute

// rest waits until this process uses hardly any processor time: what was written
// in a minute, and takes months otherwise, has been put into its levels then.
func rest(ctx context.Context) error {
	const look = time.Second
	deadline := time.Now().Add(restLimit)
	for used := systems.CPU(); time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(look):
		}
		now := systems.CPU()
		if now-used < look/20 {
			return nil
		}
		used = now
	}
	return nil
}
