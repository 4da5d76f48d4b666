package outbox

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"
)

// position is how far a table was read, as it stands in the file. It is written
// after what it says took effect. It is replaced as a whole but not synced: what a
// crash of the machine takes of it is read again.
type position struct {
	Of    string     `json:"of"`              // the table; a position of another one is none
	Max   *int64     `json:"max,omitempty"`   // ByID: the greatest id that was read
	At    string     `json:"at,omitempty"`    // ByID: the change time of that row
	Gaps  [][2]int64 `json:"gaps,omitempty"`  // ByID: ids below it that were not seen, both ends included
	Base  int64      `json:"base,omitempty"`  // ByID: what sequences are above ids, where these began anew
	Since *time.Time `json:"since,omitempty"` // ByTime: the latest modification that was read
}

// source names the table that a position is about.
func (s Settings) source() string {
	return fmt.Sprintf("%s %s:%d/%s %s %s", s.Database.Dialect, s.Database.Host, s.Database.Port, s.Database.Database, s.Table, s.Mode)
}

// positionOf is a tail for the file. Nothing was read: no position.
func positionOf(source string, t tail, at string) position {
	p := position{Of: source}
	if t.max == math.MinInt64 {
		return p
	}
	p.Max, p.At = &t.max, at
	for _, g := range t.gaps {
		p.Gaps = append(p.Gaps, [2]int64{g.low, g.high})
	}
	return p
}

// tail is a position as it goes on from now: the gaps are waited for anew.
func (p position) tail(now time.Time) tail {
	if p.Max == nil {
		return start()
	}
	t := tail{max: *p.Max}
	for _, g := range p.Gaps {
		t.gaps = append(t.gaps, gap{span: span{g[0], g[1]}, since: now})
	}
	return t
}

// sane reports whether the gaps are as a tail has them.
func (p position) sane() bool {
	last := int64(math.MinInt64)
	for _, g := range p.Gaps {
		if p.Max == nil || g[0] <= last || g[1] < g[0] || g[1] >= *p.Max {
			return false
		}
		last = g[1]
	}
	return true
}

// load reads the position of a table. Where there is none, or none that can be
// read, it is lost: nil.
func load(file, source string) *position {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var p position
	if err := json.Unmarshal(b, &p); err != nil || p.Of != source || !p.sane() {
		return nil
	}
	return &p
}

// store replaces the file.
func store(file string, p position) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	next := file + ".next"
	if err := os.WriteFile(next, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("position_file: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("position_file: %w", err)
	}
	return nil
}
