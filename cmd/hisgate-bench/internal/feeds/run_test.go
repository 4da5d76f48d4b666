package feeds

import (
	"testing"
	"time"
)

// Every change of each source that needs no installed server is seen, and timed.
func TestChangesAreTimed(t *testing.T) {
	rows, err := Do(t.Context(), Options{Dir: t.TempDir(), Only: []string{"NATS", "webhook"}, Changes: 20, Every: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 {
		t.Fatalf("%d rows: %+v", len(rows), rows)
	}
	for _, r := range rows[:2] {
		if r.Changes != 20 || r.P50 <= 0 || r.P99 < r.P50 || r.Max < r.P99 {
			t.Errorf("got %+v", r)
		}
	}
}
