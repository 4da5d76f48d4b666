package alarm

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	queueMost   = 200         // messages that wait for one webhook
	firstPause  = time.Second // after a failure; doubled with each
	longestTry  = time.Minute
	giveUpAfter = 12 * time.Hour // an older message helps nobody
)

// courier brings messages to one webhook, in a goroutine of its own.
type courier struct {
	hook Webhook
	name string // for logs: its place in the settings and its format
	post *poster
	pace time.Duration // between two messages
	log  *slog.Logger
	wake chan struct{}

	mu       sync.Mutex
	queue    []letter
	count    tally
	badSince time.Time // since when nothing gets through; zero = it does
	why      error
}

type letter struct {
	Message
	at time.Time // when it was handed over
}

// tally counts messages taken, tries that failed, and messages given up.
type tally struct{ sent, failed, dropped uint64 }

// push hands a message over. It never blocks: in a full queue the least urgent
// and oldest makes room.
func (c *courier) push(m Message, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, letter{m, at})
	if len(c.queue) > queueMost {
		least := 0
		for i := range c.queue {
			if c.queue[i].Severity.rank() > c.queue[least].Severity.rank() {
				least = i
			}
		}
		c.drop(least)
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *courier) drop(i int) {
	l := &c.queue[i]
	c.log.Error("an alert was not delivered", "webhook", c.name, "name", l.Name, "severity", l.Severity, "order_no", l.OrderNo, "case_id", l.CaseID)
	c.queue = slices.Delete(c.queue, i, i+1)
	c.count.dropped++
}

// take hands out the most urgent messages that fit into one call. They stay with
// the caller until delivered.
func (c *courier) take(now time.Time) []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.queue) - 1; i >= 0; i-- {
		if now.Sub(c.queue[i].at) > giveUpAfter {
			c.drop(i)
		}
	}
	slices.SortStableFunc(c.queue, func(a, b letter) int { return a.Severity.rank() - b.Severity.rank() })
	batch := make([]Message, len(c.queue))
	for i := range c.queue {
		batch[i] = c.queue[i].Message
	}
	return batch[:c.post.fit(c.hook.Format, batch)]
}

// delivered takes what was delivered, the same messages that take gave, out of
// the queue.
func (c *courier) delivered(batch []Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch {
		if at := slices.IndexFunc(c.queue, func(l letter) bool { return l.Message == batch[i] }); at >= 0 {
			c.queue = slices.Delete(c.queue, at, at+1)
		}
	}
	c.count.sent += uint64(len(batch))
	if !c.badSince.IsZero() {
		c.log.Info("the webhook takes alerts again", "webhook", c.name)
	}
	c.badSince, c.why = time.Time{}, nil
}

func (c *courier) failed(err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.failed++
	if c.badSince.IsZero() {
		c.badSince = now
		c.log.Error("the webhook does not take alerts; they are tried again", "webhook", c.name, "error", err)
	}
	c.why = err
}

// run delivers until ctx ends. What waits then is lost; what still holds is told
// again by the next process.
func (c *courier) run(ctx context.Context) {
	pause := firstPause
	for {
		batch := c.take(c.post.now())
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				return
			case <-c.wake:
			}
			continue
		}
		wait := c.pace
		if _, err := c.post.post(ctx, c.hook, batch); err == nil {
			c.delivered(batch)
			pause = firstPause
		} else if ctx.Err() == nil {
			c.failed(err, c.post.now())
			wait, pause = pause, min(2*pause, longestTry)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
