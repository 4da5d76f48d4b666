package skew_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/hisgate/hisgate/internal/skew"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// What is measured is the least distance that explains the stamp: a slow answer
// and a second cut short are no skew.
func TestOf(t *testing.T) {
	for _, c := range []struct {
		name           string
		sent, received time.Duration // from the stamp on
		want           time.Duration
	}{
		{"at once", 0, 0, 0},
		{"within the second of the stamp", 999 * time.Millisecond, 999 * time.Millisecond, 0},
		{"a slow answer", -20 * time.Second, 20 * time.Second, 0},
		{"ahead", 31 * time.Second, 32 * time.Second, 30 * time.Second},
		{"behind", -40 * time.Second, -30 * time.Second, -30 * time.Second},
	} {
		if got := skew.Of(noon, noon.Add(c.sent), noon.Add(c.received)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// An answer without a stamp leaves the figure as it was.
func TestMeterKeepsTheLatest(t *testing.T) {
	var m skew.Meter
	if ahead, known := m.Ahead(); ahead != 0 || known {
		t.Errorf("before the first answer: %s, %t", ahead, known)
	}
	dated := http.Header{"Date": {noon.Format(http.TimeFormat)}}
	m.NoteDate(dated, noon.Add(61*time.Second), noon.Add(61*time.Second))
	m.NoteDate(http.Header{}, noon, noon)
	m.NoteDate(http.Header{"Date": {"yesterday"}}, noon, noon)
	if ahead, known := m.Ahead(); ahead != time.Minute || !known {
		t.Errorf("%s, %t, want a minute", ahead, known)
	}
	m.NoteDate(dated, noon, noon)
	if ahead, known := m.Ahead(); ahead != 0 || !known {
		t.Errorf("clocks that agree: %s, %t", ahead, known)
	}
}
