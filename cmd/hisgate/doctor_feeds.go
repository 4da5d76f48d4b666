package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter/feed"
	"github.com/hisgate/hisgate/hisadapter/httphis"
)

// feedTime bounds the look at a feed's source.
const feedTime = 15 * time.Second

// feeds looks at the sources of all feeds at once. None is read: no message is
// taken, nothing is made there, and a hisgate that runs is not disturbed.
func (d *doctor) feeds(ctx context.Context, c Config) {
	ctx, cancel := context.WithTimeout(ctx, feedTime)
	defer cancel()
	seen := make([]sourceSeen, len(c.Feeds))
	var looking sync.WaitGroup
	for i := range c.Feeds {
		looking.Go(func() { seen[i] = c.Feeds[i].look(ctx, c.DataDir) })
	}
	looking.Wait()
	for i, s := range seen {
		d.feed(i, &c.Feeds[i], s)
	}
}

// sourceSeen is what a look at a feed's source found.
type sourceSeen struct {
	feed.Sight
	took time.Duration
	err  error
}

// look reads the mapping and its secrets, and looks at the source.
func (c *Feed) look(ctx context.Context, dataDir string) (s sourceSeen) {
	mapping, err := httphis.LoadChanges(c.MappingFile)
	if err == nil {
		err = mapping.ReadSecrets()
	}
	if err != nil || c.Driver == feedWebhook {
		return sourceSeen{err: err}
	}
	driver, err := c.open(dataDir)
	if err != nil {
		return sourceSeen{err: err}
	}
	looker, ok := driver.(feed.Looker)
	if !ok {
		return sourceSeen{err: errors.New(c.Driver + ": it cannot be looked at")}
	}
	begun := time.Now()
	s.Sight, s.err = looker.Find(ctx)
	s.took = time.Since(begun).Round(time.Millisecond)
	return s
}

func (d *doctor) feed(i int, c *Feed, s sourceSeen) {
	check := "feed " + c.Name
	switch {
	case s.err != nil:
		d.add(red, check, s.err.Error(), fmt.Sprintf(d.say("查网络、账号、权限与 feeds[%d] 所指；其间读者按 10 秒缓存看到变化",
			"look at the network, the account and its rights, and what feeds[%d] names; readers see changes with the 10-second cache meanwhile"), i))
	case c.Driver == feedWebhook:
		d.ok(check, d.say("由 HIS 投递到 listen.http 的 /v1/feeds/%s/webhook；无从询问", "the HIS posts to /v1/feeds/%s/webhook on listen.http; there is nobody to ask"), c.Name)
	case s.Absent:
		d.ok(check, d.say("已连通，%s；%s 尚不存在，由 hisgate 启动时建立", "connected, %s; %s is not there yet, hisgate makes it when it starts"), s.took, s.Place)
	case s.Waiting < 0:
		d.ok(check, d.say("%s 可读，%s", "%s can be read, %s"), s.Place, s.took)
	default:
		d.ok(check, d.say("%s 可读，%d 条待取，%s", "%s can be read, %d messages wait, %s"), s.Place, s.Waiting, s.took)
	}
}
