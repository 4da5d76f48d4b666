// Package sparse keeps what strangers can cause out of the log, but for a few
// lines a minute: a flood of them must not fill a disk.
package sparse

import (
	"sync"
	"time"
)

// perMinute is how many lines are let through in a minute.
const perMinute = 60

// Lines counts the lines of one kind. The zero value is ready. Let may be called
// by several goroutines at once.
type Lines struct {
	mu    sync.Mutex
	began time.Time // of the minute
	n     int       // lines in it, let through or not
}

// Let reports whether a line of now may be written, and, with the first of a
// minute, how many of the minute before were not.
func (l *Lines) Let(now time.Time) (let bool, missing int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if since := now.Sub(l.began); since >= time.Minute || since < 0 {
		missing = max(0, l.n-perMinute)
		l.began, l.n = now, 0
	}
	l.n++
	return l.n <= perMinute, missing
}
