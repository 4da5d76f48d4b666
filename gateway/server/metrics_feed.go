package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// FeedFigures are those of one feed of stock changes. Counts are since the start.
type FeedFigures struct {
	Name         string
	Down, Silent bool
	Lag          int64 // messages that wait at the source; -1 = it does not say
	Quiet        time.Duration
	Losses, Gaps uint64

	Taken, Skipped, Dead, Lost, Refused uint64 // messages; Taken without the skipped ones
	Applied, Older, Ignored             uint64 // changes

	DelayBounds []float64 // seconds
	Delays      []uint64  // by bound, and one more for those above
	DelaySum    time.Duration
}

func (c *collector) collectFeeds(feeds []FeedFigures, gauge, counter emit, histogram func(prometheus.Metric)) {
	for i := range feeds {
		f := &feeds[i]
		gauge("hisgate_feed_down", one(f.Down), f.Name)
		gauge("hisgate_feed_silent", one(f.Silent), f.Name)
		if f.Lag >= 0 {
			gauge("hisgate_feed_lag_messages", float64(f.Lag), f.Name)
		}
		gauge("hisgate_feed_last_message_age_seconds", f.Quiet.Seconds(), f.Name)
		counter("hisgate_feed_losses_total", float64(f.Losses), f.Name)
		counter("hisgate_feed_gaps_total", float64(f.Gaps), f.Name)
		counter("hisgate_feed_messages_total", float64(f.Taken), f.Name, "taken")
		counter("hisgate_feed_messages_total", float64(f.Skipped), f.Name, "skipped")
		counter("hisgate_feed_messages_total", float64(f.Dead), f.Name, "dead")
		counter("hisgate_feed_messages_total", float64(f.Lost), f.Name, "lost")
		counter("hisgate_feed_messages_total", float64(f.Refused), f.Name, "refused")
		counter("hisgate_feed_changes_total", float64(f.Applied), f.Name, "applied")
		counter("hisgate_feed_changes_total", float64(f.Older), f.Name, "older")
		counter("hisgate_feed_changes_total", float64(f.Ignored), f.Name, "ignored")
		histogram(c.delays(f))
	}
}

// delays is the histogram of how late changes were.
func (c *collector) delays(f *FeedFigures) prometheus.Metric {
	var total uint64
	below := make(map[float64]uint64, len(f.DelayBounds))
	for i, n := range f.Delays {
		total += n
		if i < len(f.DelayBounds) {
			below[f.DelayBounds[i]] = total
		}
	}
	return prometheus.MustNewConstHistogram(c.descs["hisgate_feed_delay_seconds"], total, f.DelaySum.Seconds(), below, f.Name)
}
