package simtest_test

import (
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"
)

// trace is the story of a run in order of time: who, what, and what truly
// happened. Times are simulated and count from the beginning of the run.
type trace struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

func (t *trace) say(who, format string, args ...any) {
	at := time.Since(t.start)
	line := fmt.Sprintf("%-16s %-10s ", clock(at), who) + fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
}

// clock prints hours without bound, minutes, seconds and microseconds.
func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d:%02d.%06d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60, d.Microseconds()%1e6)
}

// print is equal for equal stories.
func (t *trace) print() uint64 {
	h := fnv.New64a()
	for _, l := range t.lines {
		_, _ = h.Write([]byte(l))
	}
	return h.Sum64()
}

// about returns the lines that name one of the words, or concern all; every line
// without words.
func (t *trace) about(words ...string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, l := range t.lines {
		if len(words) == 0 || strings.Contains(l, " world ") || strings.Contains(l, "VIOLATION") || names(l, words) {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}

func names(line string, words []string) bool {
	for _, w := range words {
		if strings.Contains(line, w) {
			return true
		}
	}
	return false
}
