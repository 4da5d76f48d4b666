package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// hisgate runs a command as a person would, and returns what it printed and its
// exit status.
func hisgate(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := command(t, "hisgate", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=en_US.UTF-8")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return out.String(), errs.String(), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), 0
}

// mustRun is hisgate with status 0.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := hisgate(t, args...)
	if code != 0 {
		t.Fatalf("hisgate %s: status %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// exported reads an export: the locks by order_no.
func exported(t *testing.T, lines string) map[string]*hisgatev1.Lock {
	t.Helper()
	all := map[string]*hisgatev1.Lock{}
	for line := range strings.Lines(lines) {
		l := &hisgatev1.Lock{}
		if err := protojson.Unmarshal([]byte(line), l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if all[l.GetOrderNo()] != nil {
			t.Errorf("%s is exported twice", l.GetOrderNo())
		}
		all[l.GetOrderNo()] = l
	}
	return all
}

// A backup taken while locks are made and released is one moment: what was
// acknowledged before it began is in it, as it was; nothing in it contradicts
// anything else; and the server never noticed.
func TestBackupWhileLocksAreMade(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 100_000)
	const hands = 64
	var made atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	before, kept := map[string]bool{}, map[string]bool{} // acknowledged before the backup began; held for good
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	// post asks until it is answered: on a busy machine the HIS may be too slow.
	post := func(path, body string) bool {
		for {
			got, err := h.try(http.MethodPost, path, body)
			switch {
			case err != nil || got.status != http.StatusOK && got.status != http.StatusServiceUnavailable:
				t.Errorf("%s: status %d, %s, %v", path, got.status, got.body, err)
				return false
			case got.status == http.StatusOK:
				return true
			}
			select {
			case <-again.C:
			case <-t.Context().Done():
				return false
			}
		}
	}
	for hand := range hands {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				no := fmt.Sprintf("BACKUP-%d-%d", hand, i)
				if !post("/v1/locks", lockJSON(no, "D1", 1, "3600s")) {
					return
				}
				mu.Lock()
				before[no] = true
				kept[no] = i%3 != 0
				mu.Unlock()
				if i%3 == 0 && !post("/v1/locks/"+no+":release", "{}") {
					return
				}
				made.Add(1)
			}
		})
	}
	enough := func(n int64) {
		eventually(t, "locks", func() error {
			if got := made.Load(); got < n {
				return fmt.Errorf("%d are made, want %d", got, n)
			}
			return nil
		})
	}
	enough(640)
	mu.Lock()
	known := map[string]bool{}
	for no := range before {
		known[no] = kept[no]
	}
	mu.Unlock()
	file := filepath.Join(t.TempDir(), "hisgate.backup")
	mustRun(t, "ledger", "backup", file, "--server", h.program.GRPCAddr)
	for range 3 {
		mustRun(t, "ledger", "verify", "--server", h.program.GRPCAddr)
	}
	mustRun(t, "explain", "BACKUP-0-0", "--server", h.program.GRPCAddr)
	enough(made.Load() + 50)
	close(stop)
	wg.Wait()

	dir := filepath.Join(t.TempDir(), "restored")
	mustRun(t, "ledger", "restore", file, "--data-dir", dir)
	if out := mustRun(t, "ledger", "verify", "--data-dir", dir); !strings.Contains(out, "findings: 0.") {
		t.Errorf("the restored folder: %s", out)
	}
	restored := exported(t, mustRun(t, "ledger", "export", "--ended", "--data-dir", dir))
	for no, held := range known {
		switch l := restored[no]; {
		case l == nil:
			t.Errorf("%s was acknowledged before the backup and is not in it", no)
		case held && l.GetStatus() != hisgatev1.Lock_LOCKED:
			t.Errorf("%s is %s in the backup, want LOCKED", no, l.GetStatus())
		}
	}
	if len(restored) < len(known) {
		t.Errorf("%d locks are in the backup, %d were acknowledged before", len(restored), len(known))
	}
	// What the server exports is what was acknowledged in the end.
	live := exported(t, mustRun(t, "ledger", "export", "--ended", "--server", h.program.GRPCAddr))
	if len(live) != len(before) {
		t.Errorf("%d locks are exported, %d were acknowledged", len(live), len(before))
	}
	for no, held := range kept {
		want := hisgatev1.Lock_RELEASED
		if held {
			want = hisgatev1.Lock_LOCKED
		}
		if got := live[no].GetStatus(); got != want {
			t.Errorf("%s is %s in the export, want %s", no, got, want)
		}
	}
	table := mustRun(t, "ledger", "export", "--ended", "--format", "table", "--server", h.program.GRPCAddr)
	if n := strings.Count(table, "\n"); n != len(before)+1 {
		t.Errorf("the table has %d lines, want %d", n, len(before)+1)
	}
	if _, errs, code := hisgate(t, "ledger", "verify", "--data-dir", h.cfg.DataDir); code != 2 || !strings.Contains(errs, fmt.Sprint(os.Getpid())) {
		t.Errorf("the folder in use: status %d, %s", code, errs)
	}
}

// The folder of a process that was killed is read as its next opening would find
// it, and the reading leaves no trace.
func TestFolderOfAKilledProcessIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.shelve("D1", 1000)
	p := w.start()
	const locks = 20
	for i := range locks {
		p.post("/v1/locks", lockJSON(fmt.Sprintf("KILLED-%d", i), "D1", 1, "3600s")).lock(t)
	}
	p.kill()
	for range 2 {
		mustRun(t, "ledger", "verify", "--data-dir", w.cfg.DataDir)
		if got := exported(t, mustRun(t, "ledger", "export", "--data-dir", w.cfg.DataDir)); len(got) != locks {
			t.Errorf("%d locks are exported, %d were acknowledged", len(got), locks)
		}
	}
	if out := mustRun(t, "explain", "KILLED-7", "--data-dir", w.cfg.DataDir); !strings.Contains(out, "the HIS froze it") {
		t.Errorf("the story:\n%s", out)
	}
	next := w.start()
	mustRun(t, "ledger", "verify", "--server", next.grpc)
	for i := range locks {
		next.post(fmt.Sprintf("/v1/locks/KILLED-%d:release", i), "{}").lock(t)
	}
	w.audit(next.api)
}

// The story of an order on the command line, and its case settled there.
func TestStoryAndCaseOnTheCommandLine(t *testing.T) {
	t.Parallel()
	h := openHouse(t, false, func(c *Config, s *settings) {
		c.Payment.OnRefused = "case"
		s.orders.OnGone = c.settings().orders.OnGone
	})
	server := "--server=" + h.program.GRPCAddr
	h.shelve("D1", 10)
	h.create("E2E-TOLD", "RESERVE", "D1", 3)
	h.pay("E2E-TOLD")
	h.await("E2E-TOLD", hisgatev1.Order_FULFILLED)
	told := mustRun(t, "explain", "E2E-TOLD", server)
	for _, line := range []string{
		"order E2E-TOLD  FULFILLED  RESERVE", "the order arrived", "WeChat took the prepay",
		"verified money: AWAITING_PAYMENT → PAID (PAID): callback", "the HIS deducted and made its order", "now Your drugs are ready.",
	} {
		if !strings.Contains(told, line) {
			t.Errorf("the story lacks %q:\n%s", line, told)
		}
	}
	if zh := mustRun(t, "explain", "E2E-TOLD", server, "--lang=zh"); !strings.Contains(zh, "现状 药品已备妥。") {
		t.Errorf("in Chinese:\n%s", zh)
	}
	if _, errs, code := hisgate(t, "explain", "E2E-NONE", server); code != 1 || !strings.Contains(errs, "NOT_FOUND") {
		t.Errorf("an unknown order: status %d, %s", code, errs)
	}

	if out := mustRun(t, "case", "list", server); !strings.Contains(out, "No cases.") {
		t.Errorf("cases: %s", out)
	}
	c := gone(h, "E2E-CLI")
	id := c.GetCaseId()
	if out := mustRun(t, "case", "list", server); !strings.Contains(out, id) || !strings.Contains(out, "STOCK_GONE") {
		t.Errorf("cases: %s", out)
	}
	if out := mustRun(t, "case", "claim", id, server, "--note=looking"); !strings.Contains(out, id+" OPEN: ") {
		t.Errorf("claimed: %s", out)
	}
	if _, errs, code := hisgate(t, "case", "claim", id, server, "--etag=0"); code != 1 || !strings.Contains(errs, "ETAG_MISMATCH") {
		t.Errorf("with an old etag: status %d, %s", code, errs)
	}
	if _, errs, code := hisgate(t, "case", "resolve", id, server, "--outcome=applied"); code != 1 || !strings.Contains(errs, "VERB_NOT_ALLOWED") {
		t.Errorf("not the case of a lock: status %d, %s", code, errs)
	}
	for range 2 { // with its number a repeat is harmless
		mustRun(t, "case", "handover", id, server, "--to=王药师", "--request-id=hand-1")
	}
	if out := mustRun(t, "case", "show", id, server); strings.Count(out, "HAND_OVER") != 1 || !strings.Contains(out, "owner: 王药师") {
		t.Errorf("handed over: %s", out)
	}
	mustRun(t, "case", "recheck", id, server)
	if _, errs, code := hisgate(t, "case", "show", "NO-CASE", server); code != 1 || !strings.Contains(errs, "NOT_FOUND") {
		t.Errorf("an unknown case: status %d, %s", code, errs)
	}
	mustRun(t, "case", "refund", id, server, "--reason=缺货")
	h.await("E2E-CLI", hisgatev1.Order_REFUNDED)
	if out := mustRun(t, "case", "list", server, "--all", "--json", "--order=E2E-CLI"); !strings.Contains(out, `"CLOSED"`) {
		t.Errorf("all cases: %s", out)
	}
	if told := mustRun(t, "explain", "E2E-CLI", server); !strings.Contains(told, "the money is back") || !strings.Contains(told, id) {
		t.Errorf("the story:\n%s", told)
	}
	mustRun(t, "case", "resume-refunds", server, "--note=checked")
	h.audit(h.api)
	mustRun(t, "ledger", "verify", server)
}
