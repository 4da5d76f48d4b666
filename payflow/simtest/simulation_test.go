package simtest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// spinning is how much real time a run may take: hundreds of times what it needs.
const spinning = time.Minute

// live runs one seed from its beginning to its end.
func live(t *testing.T, seed uint64, logs io.Writer) *world {
	w := newWorld(seed, logs)
	// Something that turns without time passing would turn for ever.
	watchdog := time.AfterFunc(spinning, func() {
		fmt.Printf("%sseed %d: it does not come to its end []: %s\n%s", failed, seed, replay(seed), w.trace.about())
		os.Exit(1)
	})
	defer watchdog.Stop()
	synctest.Test(t, func(*testing.T) { w.run() })
	return w
}

// replay is the command that tells a seed's story.
func replay(seed uint64) string {
	return fmt.Sprintf("HISGATE_SEED=%d go test -count=1 -v -run '^TestSimulation$' ./payflow/simtest", seed)
}

func number[T int | uint64](t *testing.T, name string, otherwise T) T {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return T(n)
}

// TestSimulation lives the seeds 1, 2, 3 … (HISGATE_SEEDS of them, beginning with
// HISGATE_FIRST), in as many processes as there are processors, each of which
// runs one goroutine at a time. With HISGATE_SEED it tells the story of one;
// HISGATE_ABOUT picks the lines that name one of its words.
func TestSimulation(t *testing.T) {
	if os.Getenv("HISGATE_SEED") != "" {
		tell(t, number(t, "HISGATE_SEED", uint64(0)))
		return
	}
	first, n := number(t, "HISGATE_FIRST", uint64(1)), number(t, "HISGATE_SEEDS", seeds)
	start := time.Now()
	all := newTally()
	var mu sync.Mutex
	var wg sync.WaitGroup
	processes := min(runtime.NumCPU(), n)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for i := range processes {
		wg.Go(func() {
			got, failures, err := process(ctx, first+uint64(i), processes, (n-i+processes-1)/processes)
			mu.Lock()
			defer mu.Unlock()
			all.add(got)
			for _, f := range failures {
				t.Error(f)
			}
			if err != nil {
				t.Error(err)
			}
			if len(failures) > 0 && number(t, "HISGATE_FAILURES", 0) == 1 {
				stop() // one was all that was wanted
			}
		})
	}
	wg.Wait()
	t.Logf("violations: %v; %v of real time\n%s", t.Failed(), time.Since(start).Round(time.Second), all)
	if n < seeds || seeds < 2000 {
		return // too few to have seen everything
	}
	for _, kind := range mustFire() {
		if all.Faults[kind] == 0 {
			t.Errorf("never happened in %d seeds: %s", n, kind)
		}
	}
}

// tell lives one seed in this process and prints its story.
func tell(t *testing.T, seed uint64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var logs io.Writer
	if os.Getenv("HISGATE_LOGS") != "" {
		logs = os.Stderr
	}
	w := live(t, seed, logs)
	fmt.Println(w.trace.about(strings.Fields(os.Getenv("HISGATE_ABOUT"))...))
	for _, v := range w.violations {
		t.Error(v)
	}
	t.Logf("\n%s", w.tally)
}

// The marks of the lines by which a process tells the one that started it.
const (
	failed  = "seed failed: "
	summary = "summary: "
)

// process lives count seeds from first on, each step apart, in another process.
func process(ctx context.Context, first uint64, step, count int) (*tally, []string, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestSeeds$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", fmt.Sprintf("HISGATE_RANGE=%d %d %d", first, step, count))
	out, err := cmd.CombinedOutput()
	got := newTally()
	var failures []string
	sums := false
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		line := lines.Text()
		if story, ok := strings.CutPrefix(line, failed); ok {
			failures = append(failures, story)
		} else if text, ok := strings.CutPrefix(line, summary); ok {
			sums = json.Unmarshal([]byte(text), got) == nil
		} else if len(failures) > 0 && !strings.HasPrefix(line, "--- ") {
			failures[len(failures)-1] += "\n" + line
		}
	}
	if ctx.Err() != nil {
		return got, failures, nil
	}
	if !sums || err != nil && len(failures) == 0 {
		return got, failures, fmt.Errorf("seeds %d, %d, … ended with %v: %s", first, first+uint64(step), err, tail(out))
	}
	return got, failures, nil
}

func tail(out []byte) string { return string(out[max(0, len(out)-6000):]) }

// TestSeeds is what another process of this test runs.
func TestSeeds(t *testing.T) {
	var first uint64
	var step, count int
	if _, err := fmt.Sscan(os.Getenv("HISGATE_RANGE"), &first, &step, &count); err != nil {
		return // nobody asked
	}
	patience := number(t, "HISGATE_FAILURES", 5)
	all := newTally()
	for i := range count {
		seed := first + uint64(i*step)
		w := live(t, seed, nil)
		all.add(w.tally)
		if len(w.violations) == 0 {
			continue
		}
		v := w.violations[0]
		fmt.Printf("%sseed %d: %v\n%s\n%s\n", failed, seed, v, replay(seed), w.trace.about(strings.Fields(v.about)...))
		if patience--; patience <= 0 {
			break
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\n%s%s\n", summary, text)
}

// mustFire lists what the seeds of one run must have met.
func mustFire() []string {
	kinds := []string{
		dieLost, dieKept, dieAfter, diskLost, diskKept, restartSoft,
		hisDown, hisHangs, hisMisconfigured, payDown, payMisconfigured, payBroke,
		"clock: set forward", "clock: set back", "HIS: price of a drug changes", "HIS: stopped of a drug changes",
		"WeChat: wrong amount", "WeChat: wrong appid", "WeChat: second payment", "WeChat: console refund behind our back",
		"WeChat: money after the close", "WeChat: close finds the patient at the keypad",
		"WeChat: the patient pays just before the query", "WeChat: the patient pays just before the close",
		"WeChat: refund NOT_ENOUGH", "WeChat: refund takes hours", "WeChat: refund ends CLOSED", "WeChat: refund ends ABNORMAL",
		"notice: never comes", "notice: delayed", "notice: an attempt is lost", "notice: forged", "notice: comes twice at once",
		"notice: its answer is lost", "notice: finds nobody", "notice: the bill alone tells of late money", "HIS: sent twice",
		"HIS: any trouble (CancelOrder)", // its calls are too few for each
		"staff: a refund in the merchant console ends SUCCESS", "staff: a refund in the merchant console ends CLOSED",
		"staff: a refund in the merchant console ends ABNORMAL",
		"staff: CLAIM", "staff: HAND_OVER", "staff: RECHECK", "staff: RETRY_FULFILMENT", "staff: REFUND", "staff: MARK_FULFILLED",
		"staff: MARK_REFUNDED", "staff: RESUME_REFUNDS", "staff: refund of a fulfilled order",
		"staff: refund of a fulfilled order, which the HIS is to cancel",
		"staff: SETTLE",
		"backup: taken", "restore: the ledger is thrown back", "restore: the ledger is thrown back once more", "restore: an order is forgotten", "restore: a client orders once more",
		"reconcile: a bill is compared", "reconcile: a bill is compared, an empty one", "reconcile: the accountant asks for a day",
		"reconcile: the bill is not there yet", "reconcile: the bill is late", "reconcile: the hash of the bill is wrong",
		"reconcile: the bill is cut off", "reconcile: the bill cannot be fetched", dieComparing,
		"reconcile: found UNNOTICED", "reconcile: found REFUNDED_ELSEWHERE", "reconcile: found UNKNOWN_PAYMENT",
		"staff: a lock is resolved, applied true", "staff: a lock is resolved, applied false",
	}
	for _, t := range payTroubles {
		kinds = append(kinds, "WeChat: "+t.what)
	}
	for _, op := range []struct {
		name string
		all  []hisTrouble
	}{
		{"QueryStock", troublesOf("QueryStock")},
		{"FindOrder", troublesOf("FindOrder")},
		{"Freeze", troublesOf("Freeze")},
		{"PlaceOrder", troublesOf("PlaceOrder")},
		{"Unfreeze", troublesOf("Unfreeze")},
	} {
		for _, t := range op.all {
			if t.fault != nil {
				kinds = append(kinds, "HIS: "+t.name+" ("+op.name+")")
			}
		}
	}
	slices.Sort(kinds)
	return kinds
}
