package main

// feedTable are the bugs in what brings stock changes.
func feedTable() []mutant {
	nats, rabbit, kafka := []string{"../hisadapter/feed/natsfeed:^TestDriver$/^refused"}, []string{"../hisadapter/feed/rabbitfeed:^TestDriver$/^refused"}, []string{"../hisadapter/feed/kafkafeed:^TestDriver$/^refused"}
	core, cache, gateway, answers := []string{"../hisadapter/feed"}, []string{"../cache"}, []string{"../gateway"}, []string{"../hisadapter/httphis"}
	// The outbox, test by test: each of its tests has two databases to fill.
	outbox := func(tests string) []string { return []string{"../hisadapter/feed/outbox:" + tests} }
	return []mutant{
		{"acknowledge a change before its effect", "../hisadapter/feed/feed.go", "if _, err := f.take(ctx, &batch[i]); err != nil {\n\t\t\treturn err\n\t\t}", "go func() { _, _ = f.take(context.WithoutCancel(ctx), &batch[i]) }()", core},
		{"hold up a batch for a message that cannot be read", "../hisadapter/feed/feed.go", "return unreadable.Error(), nil", "return unreadable.Error(), unreadable", core},
		{"give a source up", "../hisadapter/feed/feed.go", "if stood := f.state.lost(err); stood >= steady {", "if f.state.lost(err); failures > 5 {\n\t\t\treturn nil\n\t\t}\n\t\tif false {", core},
		{"hammer a source that is away", "../hisadapter/feed/feed.go", "d = time.Second << (failures - 1)", "d = time.Second", core},
		{"count a change that never took effect", "../hisadapter/feed/feed.go", "if ctx.Err() != nil && err != nil {\n\t\t\treturn \"\", ctx.Err()\n\t\t}", "_ = err", core},
		{"lose a dead letter that the source did not take", "../hisadapter/feed/bury.go", "if !errors.Is(err, ErrNoBurial) {", "if err != nil {\n\t\t\tf.state.buried(true)\n\t\t\treturn\n\t\t}\n\t\tif !errors.Is(err, ErrNoBurial) {", core},
		{"let dead letters grow for ever", "../hisadapter/feed/letters.go", "if l.size+bytes <= l.most {", "if true {", core},
		{"take posts that nobody signed", "../hisadapter/feed/webhook.go", "good := err == nil && signed(body)", "good := err == nil", core},
		{"leave the time out of the signature", "../hisadapter/feed/webhook.go", "timestamp+\".\"+nonce+\".\"", "nonce+\".\"", core},
		{"take a post twice", "../hisadapter/feed/seen.go", "done, ok := posts[m]", "done, ok := posts[m], false", core},
		{"forget posts too early", "../hisadapter/feed/seen.go", "now.Sub(s.began) > 2*Window", "now.Sub(s.began) > Window/2", core},
		{"take posts of any age", "../hisadapter/feed/webhook.go", "d > Window || d < -Window", "false && d > Window", core},
		{"take posts from before the start", "../hisadapter/feed/webhook.go", "if p.at.Before(h.seen.since) {", "if false {", core},
		{"put several values of a list together", "../hisadapter/httphis/path.go", "at.at.holders() > 1 {", "at.at.holders() > 99 {", []string{"../hisadapter/httphis:^(TestAValueIsOneText|TestMessagesThatCannotBeRead)$"}},
		{"let a push feed a lock", "../gateway/reading.go", "OnHand: e.Value.onHand, Multiple: e.Value.facts.Multiple,", "OnHand: e.Value.shown(), Multiple: e.Value.facts.Multiple,", gateway},
		{"let a storm of changes read as readers do", "../cache/cache.go", "if r := c.store.get(key); r != nil && c.opts.Now().Before(r.due) {", "if false {\n\t\tr := c.store.get(key)\n\t\t_ = r", cache},
		{"show a figure however old it is", "../cache/push.go", "if !now.Before(until) {", "if false {", cache},
		{"write letters into a file that somebody took away", "../hisadapter/feed/letters.go", "if l.file != nil && l.taken() {", "if false {", core},
		{"let half a letter spoil the next", "../hisadapter/feed/letters.go", "last[0] == '\\n' {", "last[0] != 0 {", core},
		{"pass a sum that lacks a lot off as a figure", "../hisadapter/httphis/change.go", "if len(errs) == 0 { // a sum", "if errs = nil; true { // a sum", answers},
		{"tell only one of the pharmacies that share a store", "../hisadapter/httphis/change.go", "return r.c.here[s], nil", "return r.c.here[s][:min(1, len(r.c.here[s]))], nil", answers},

		// The outbox.
		{"overlap window zero", "../hisadapter/feed/outbox/over.go", "now.Sub(g.since) >= b.d.s.Overlap }", "now.Sub(g.since) >= 0*b.d.s.Overlap }", outbox("^TestIDThatWasFetchedBeforehandIsWaitedForWithinTheOverlap$")},
		{"believe that no transaction is open", "../hisadapter/feed/outbox/over.go", "g.open.mark <= b.ended }, nil", "b.ended != 0 }, nil", outbox("^TestHeldOpenTransactionThatBeganLastIsNotMissed$")},
		{"take the last transaction that ended for the last that began", "../hisadapter/feed/outbox/over.go", "\"SELECT txid_current()\"", "\"SELECT txid_snapshot_xmax(txid_current_snapshot())\"", outbox("^TestHeldOpenTransactionThatBeganLastIsNotMissed$")},
		{"forget transactions that have written nothing yet", "../hisadapter/feed/outbox/over.go", "if len(last.held) > 0 && now.Sub(last.since) < mostIdle {", "if false {", outbox("^TestTransactionThatOnlyFetchedItsIDIsNotMissed$")},
		{"take what is not committed for what is not there", "../hisadapter/feed/outbox/over.go", "Isolation: sql.LevelReadUncommitted", "Isolation: sql.LevelReadCommitted", outbox("^TestHeldOpenTransactionIsNotMissedWhenTheOverlapIsOver$")},
		{"move on past rows that were refused", "../hisadapter/feed/outbox/byid.go", "if err := b.sink.Deliver(ctx, batch); err != nil {", "if err := b.sink.Deliver(ctx, batch); err != nil && len(ids) == 0 {", outbox("^TestDriver$/.*/^refused")},
		{"leave what is waited for out of the position", "../hisadapter/feed/outbox/position.go", "p.Gaps = append(p.Gaps, [2]int64{g.low, g.high})", "_ = g", outbox("^TestHeldOpenTransactionIsNotMissedByTheNextProcess$")},
		{"delete the newest row of the outbox", "../hisadapter/feed/outbox/byid.go", "b.r.words.clean(b.d.s.Keep), b.cleanTo-1, cleanRows)", "b.r.words.clean(b.d.s.Keep), b.cleanTo, cleanRows)", outbox("^TestConsumedRowsAreDeletedWhereThatIsPermitted$")},
		{"go on in a table whose ids began anew", "../hisadapter/feed/outbox/byid.go", "b.changedAt(rows[0]) != b.lastTime {", "b.changedAt(rows[0]) != b.lastTime && len(rows) > 1 {", outbox("^TestIDsBeginAnew$")},
		{"pass a row over that is modified within the overlap", "../hisadapter/feed/outbox/bytime.go", "since := b.latest.Add(-b.d.s.Overlap)", "since := b.latest.Add(-0 * b.d.s.Overlap)", outbox("^TestViewByTime$")},
		{"take rows that look alike for one", "../hisadapter/feed/outbox/bytime.go", "there[f.key] <= b.seen[f.key].n {", "b.seen[f.key].n > 0 {", outbox("^TestViewByTimeOfRowsThatLookAlike$")},
		{"move the position by a look", "../hisadapter/feed/outbox/byid.go", "if !b.dirty || b.d.looks {", "if !b.dirty {", outbox("^TestDriver$/.*/^a_look")},

		// The brokers.
		{"acknowledge to NATS before the effect", "../hisadapter/feed/natsfeed/reader.go", "if err := r.sink.Deliver(ctx, messages); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tr.memory.took(last.at.Timestamp)\n\t\tif err := r.acknowledge(life, batch); err != nil {", "if err := r.acknowledge(life, batch); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tif err := r.sink.Deliver(ctx, messages); err != nil {", nats},
		{"acknowledge to RabbitMQ before the effect", "../hisadapter/feed/rabbitfeed/driver.go", "if err := r.sink.Deliver(ctx, messages); err != nil {\n\t\treturn err\n\t}", "defer func() { _ = r.sink.Deliver(ctx, messages) }()", rabbit},
		{"commit to Kafka before the effect", "../hisadapter/feed/kafkafeed/reader.go", "if err := r.sink.Deliver(ctx, batch); err != nil {\n\t\t\treturn err\n\t\t}", "defer func() { _ = r.sink.Deliver(ctx, batch) }()", kafka},
	}
}
