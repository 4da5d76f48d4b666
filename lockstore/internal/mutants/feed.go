package main

// feedTable are the bugs in what brings stock changes.
func feedTable() []mutant {
	nats, rabbit, kafka := []string{"../hisadapter/feed/natsfeed"}, []string{"../hisadapter/feed/rabbitfeed"}, []string{"../hisadapter/feed/kafkafeed"}
	core, cache, gateway, answers := []string{"../hisadapter/feed"}, []string{"../cache"}, []string{"../gateway"}, []string{"../hisadapter/httphis"}
	outbox := []string{"../hisadapter/feed/outbox"}
	return []mutant{
		{"acknowledge a change before its effect", "../hisadapter/feed/feed.go", "if _, err := f.take(ctx, &batch[i]); err != nil {\n\t\t\treturn err\n\t\t}", "go func() { _, _ = f.take(context.WithoutCancel(ctx), &batch[i]) }()", core},
		{"hold up a batch for a message that cannot be read", "../hisadapter/feed/feed.go", "return unreadable.Error(), nil", "return unreadable.Error(), unreadable", core},
		{"give a source up", "../hisadapter/feed/feed.go", "if stood := f.state.lost(err); stood >= steady {", "if f.state.lost(err); failures > 5 {\n\t\t\treturn nil\n\t\t}\n\t\tif false {", core},
		{"hammer a source that is away", "../hisadapter/feed/feed.go", "d = time.Second << (failures - 1)", "d = time.Second", core},
		{"count a change that never took effect", "../hisadapter/feed/feed.go", "if ctx.Err() != nil && err != nil {\n\t\t\treturn \"\", ctx.Err()\n\t\t}", "_ = err", core},
		{"lose a dead letter that the source did not take", "../hisadapter/feed/bury.go", "if !errors.Is(err, ErrNoBurial) {", "if err != nil {\n\t\t\tf.state.buried(true)\n\t\t\treturn\n\t\t}\n\t\tif !errors.Is(err, ErrNoBurial) {", core},
		{"let dead letters grow for ever", "../hisadapter/feed/letters.go", "l.size+int64(len(text)) > l.most {", "false {", core},
		{"take posts that nobody signed", "../hisadapter/feed/webhook.go", "good := err == nil && signed(body)", "good := err == nil", core},
		{"leave the time out of the signature", "../hisadapter/feed/webhook.go", "timestamp+\".\"+nonce+\".\"", "nonce+\".\"", core},
		{"take a post twice", "../hisadapter/feed/seen.go", "done, ok := posts[m]", "done, ok := posts[m], false", core},
		{"forget posts too early", "../hisadapter/feed/seen.go", "now.Sub(s.began) > 2*Window", "now.Sub(s.began) > Window/2", core},
		{"take posts of any age", "../hisadapter/feed/webhook.go", "d > Window || d < -Window", "false && d > Window", core},
		{"take posts from before the start", "../hisadapter/feed/webhook.go", "if p.at.Before(h.seen.since) {", "if false {", core},
		{"let a push feed a lock", "../gateway/reading.go", "OnHand: e.Value.onHand, Multiple: e.Value.facts.Multiple,", "OnHand: e.Value.shown(), Multiple: e.Value.facts.Multiple,", gateway},
		{"let a storm of changes read as readers do", "../cache/cache.go", "if r := c.store.get(key); r != nil && c.opts.Now().Before(r.due) {", "if false {\n\t\tr := c.store.get(key)\n\t\t_ = r", cache},
		{"pass a sum that lacks a lot off as a figure", "../hisadapter/httphis/change.go", "if len(errs) == 0 { // a sum", "if errs = nil; true { // a sum", answers},
		{"tell only one of the pharmacies that share a store", "../hisadapter/httphis/change.go", "return r.c.here[s], nil", "return r.c.here[s][:min(1, len(r.c.here[s]))], nil", answers},

		// The outbox.
		{"overlap window zero", "../hisadapter/feed/outbox/byid.go", "return now.Sub(g.since) >= b.d.s.Overlap }, nil", "return now.Sub(g.since) >= 0*b.d.s.Overlap }, nil", outbox},
		{"believe that no transaction is open", "../hisadapter/feed/outbox/byid.go", "return g.mark != 0 && g.mark <= open }, nil", "return g.mark != 0 && open != 0 }, nil", outbox},
		{"take the last transaction that ended for the last that began", "../hisadapter/feed/outbox/byid.go", "\"SELECT txid_current()\"", "\"SELECT txid_snapshot_xmax(txid_current_snapshot())\"", outbox},
		{"move on past rows that were refused", "../hisadapter/feed/outbox/byid.go", "if err := b.sink.Deliver(ctx, batch); err != nil {", "if err := b.sink.Deliver(ctx, batch); err != nil && len(ids) == 0 {", outbox},
		{"leave what is waited for out of the position", "../hisadapter/feed/outbox/position.go", "p.Gaps = append(p.Gaps, [2]int64{g.low, g.high})", "_ = g", outbox},
		{"delete the newest row of the outbox", "../hisadapter/feed/outbox/byid.go", "b.r.words.clean(b.d.s.Keep), b.cleanTo-1, cleanRows)", "b.r.words.clean(b.d.s.Keep), b.cleanTo, cleanRows)", outbox},
		{"go on in a table whose ids began anew", "../hisadapter/feed/outbox/byid.go", "b.changedAt(rows[0]) != b.lastTime {", "b.changedAt(rows[0]) != b.lastTime && len(rows) > 1 {", outbox},
		{"pass a row over that is modified within the overlap", "../hisadapter/feed/outbox/bytime.go", "since := b.latest.Add(-b.d.s.Overlap)", "since := b.latest.Add(-0 * b.d.s.Overlap)", outbox},

		// The brokers.
		{"acknowledge to NATS before the effect", "../hisadapter/feed/natsfeed/reader.go", "if err := r.sink.Deliver(ctx, messages); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tif err := r.acknowledge(life, batch); err != nil {", "if err := r.acknowledge(life, batch); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tif err := r.sink.Deliver(ctx, messages); err != nil {", nats},
		{"acknowledge to RabbitMQ before the effect", "../hisadapter/feed/rabbitfeed/driver.go", "if err := r.sink.Deliver(ctx, messages); err != nil {\n\t\treturn err\n\t}", "defer func() { _ = r.sink.Deliver(ctx, messages) }()", rabbit},
		{"commit to Kafka before the effect", "../hisadapter/feed/kafkafeed/reader.go", "if err := r.sink.Deliver(ctx, batch); err != nil {\n\t\t\treturn err\n\t\t}", "defer func() { _ = r.sink.Deliver(ctx, batch) }()", kafka},
	}
}
