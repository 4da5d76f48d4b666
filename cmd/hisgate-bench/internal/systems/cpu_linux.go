package systems

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// userHz is what Linux counts processor time in for /proc, on every platform.
const userHz = 100

// CPU is the processor time that this process and all that it started have used,
// or 0 where the system does not tell. Of two calls the difference counts.
func CPU() time.Duration {
	var self unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &self); err != nil {
		return 0
	}
	return time.Duration(self.Utime.Nano()+self.Stime.Nano()) + descendants(os.Getpid())
}

// descendants adds up the processes below one, with what ended ones left to
// their parents.
func descendants(root int) time.Duration {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	used := make(map[int]time.Duration)
	below := make(map[int][]int)
	for _, name := range names {
		pid, parent, cpu, ok := readStat(name)
		if ok {
			used[pid] = cpu
			below[parent] = append(below[parent], pid)
		}
	}
	var sum time.Duration
	for queue := below[root]; len(queue) > 0; {
		pid := queue[0]
		sum += used[pid]
		queue = append(queue[1:], below[pid]...)
	}
	return sum
}

// readStat reads one process. The fields are counted from behind the name, which
// may hold anything.
func readStat(name string) (pid, parent int, cpu time.Duration, ok bool) {
	stat, err := os.ReadFile(name)
	if err != nil {
		return 0, 0, 0, false // it has ended
	}
	pid, err = strconv.Atoi(filepath.Base(filepath.Dir(name)))
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if err != nil || len(fields) < 15 {
		return 0, 0, 0, false
	}
	if parent, err = strconv.Atoi(string(fields[1])); err != nil {
		return 0, 0, 0, false
	}
	var ticks int64 // in user and system mode, then of ended children
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, 0, 0, false
		}
		ticks += n
	}
	return pid, parent, time.Duration(ticks) * (time.Second / userHz), true
}
