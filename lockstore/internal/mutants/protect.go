package main

// protectTable are the bugs in what stands before the HIS: the guard, the cache
// and the limits on callers.
func protectTable() []mutant {
	guard, cache, edge := []string{"../hisadapter/guard"}, []string{"../cache"}, []string{"../gateway/server"}
	return []mutant{
		// The guard.
		{"never open the breaker", "../hisadapter/guard/breaker.go", "return int(judged) >= minCalls &&", "return false && int(judged) >= minCalls &&", guard},
		{"take slow calls for healthy", "../hisadapter/guard/attempt.go", "if took >= slowCall {", "if false {", guard},
		{"take a refusal for a failure of the HIS", "../hisadapter/guard/attempt.go", "return healthy, slowness", "return sick, slowness", guard},
		{"probe a HIS that was away with a write", "../hisadapter/guard/retry.go", "if o.write && g.breaker.unproven() {", "if false {", guard},
		{"let a write in while nothing is proven", "../hisadapter/guard/breaker.go", "if write && b.unproven() {", "if false {", guard},
		{"ignore the classes", "../hisadapter/guard/scheduler.go", "if !ok {\n\t\t\tfirst, ok = c, true\n\t\t}", "first, ok = c, true", guard},
		{"starve the lower classes", "../hisadapter/guard/scheduler.go", "if d.credit[c]+d.share[c] >= 1-1e-9 {", "if false {", guard},
		{"give Confirm's slot away", "../hisadapter/guard/scheduler.go", "(c != ClassConfirm && d.others() >= d.slots-d.reserved)", "false", guard},
		{"queue without end", "../hisadapter/guard/scheduler.go", "if len(d.queue[c]) >= d.most {", "if false {", guard},
		{"ignore the rate", "../hisadapter/guard/scheduler.go", "if d.limiter == nil {", "if true {", guard},
		{"leave Confirm nothing of the rate", "../hisadapter/guard/scheduler.go", "need += d.kept", "need += 0", guard},
		{"let callers wait for a turn that comes too late", "../hisadapter/guard/forecast.go", "if !bounded || ahead < 0 {", "if true || !bounded || ahead < 0 {", guard},
		{"let callers wait for lost calls", "../hisadapter/guard/forecast.go", "if d.open(c) == 0 && len(d.ends) == d.busy {", "if false {", guard},
		{"leave the breaker closed while the HIS hangs", "../hisadapter/guard/breaker.go", "if c.ConsecutiveFailures >= hungCalls && hung() {", "if false {", guard},
		{"try a HIS that was away always after the same time", "../hisadapter/guard/breaker.go", "random()*float64(s.OpenFor-soonest)", "0*random()*float64(s.OpenFor-soonest)", guard},
		{"take lost calls among good ones for a hang", "../hisadapter/guard/breaker.go", "if c.ConsecutiveFailures >= hungCalls && hung() {", "if hung() {", guard},
		{"forecast by the calls that hung", "../hisadapter/guard/forecast.go", "h.mean += (took - h.mean) / 2", "h.mean += 0", guard},
		{"free the slot at the deadline", "../hisadapter/guard/attempt.go", "timedOut := hisadapter", "timedOut := false && hisadapter", guard},
		{"free the slot of a driver that hangs at once", "../hisadapter/guard/attempt.go", "over := time.NewTimer(g.settings.BusyAfterTimeout)", "over := time.NewTimer(0)", guard},
		{"repeat a write whose outcome is unknown", "../hisadapter/guard/retry.go", "return !o.write", "return true", guard},
		{"repeat without a budget", "../hisadapter/guard/retry.go", "!g.budget.spend() || ", "", guard},
		{"hammer a HIS that refuses us as such", "../hisadapter/guard/pause.go", "o.inRow >= p.after {", "false {", guard},
		{"fail a batch for one bad drug", "../hisadapter/guard/batch.go", "hisadapter.Refused || len(group) == 1 || calls", "hisadapter.Refused || len(group) >= 1 || calls", guard},
		{"take the refusal of a batch for one of each drug", "../hisadapter/guard/batch.go", "e.Outcome != hisadapter.Refused || len(group) == 1 {", "true {", guard},
		{"look for the drugs at fault all at once", "../hisadapter/guard/batch.go", "todo = append([][]int{group[:half], group[half:]}, todo...)", "todo = append(todo, group[:half], group[half:])", guard},
		{"believe readings of other drugs", "../hisadapter/guard/batch.go", "if got[i].Key != keys[i] {", "if got[i].Key != keys[i] && false {", guard},

		// The cache.
		{"let the older reading win", "../cache/load.go", "c.opts.Compare(r.stamp, old.stamp) < 0 {", "c.opts.Compare(r.stamp, old.stamp) < 0 && false {", cache},
		{"lose a push to a load in flight", "../cache/push.go", "t.amend, t.amended, t.ends = p.Amend, now, until", "_ = until", cache},
		{"let readers join a load that a push outdated", "../cache/lane.go", "t != nil && !t.outdated {", "t != nil {", cache},
		{"let a live reader join a load in flight", "../cache/lane.go", "if t.next == nil {\n\t\t\tt.next = newTicket[K, V, S](key)\n\t\t}\n\t\treturn t.next", "return t", cache},
		{"take an older push", "../cache/push.go", "ok && *p.Sequence <= last {", "ok && *p.Sequence <= last && false {", cache},
		{"pass a stale figure off as good", "../cache/cache.go", "e.Stale = true", "e.Stale = false", cache},
		{"answer however stale", "../cache/cache.go", "return e, c.opts.Now().Sub(e.AsOf()) <= c.opts.MaxStale", "return e, true", cache},
		{"keep readers waiting for a slow source", "../cache/cache.go", "enough = timer.C", "_ = timer.C", cache},
		{"keep each reader of a slow source waiting", "../cache/cache.go", "if now.Sub(r.wantedLast) > c.opts.MaxAge {", "if true {", cache},
		{"forget what readers lost the patience for", "../cache/cache.go", "t.left = t.left || impatient", "_ = impatient", cache},
		{"fail readers of a slow source who have nothing yet", "../cache/cache.go", "if _, impatient = c.last(t.key); !impatient {", "if impatient = true; false {", cache},
		{"prolong the age by jitter", "../cache/load.go", "began.Add(age - ", "began.Add(age + ", cache},
		{"count the age from the landing", "../cache/load.go", "r.freshTo = began.Add(", "r.freshTo = c.opts.Now().Add(", cache},
		{"load in the class of the lowest waiter", "../cache/load.go", "max(batch.Rank, t.rank)", "min(batch.Rank, t.rank)", cache},
		{"let any number wait", "../cache/cache.go", "case c.waiting >= c.opts.MaxWaiting:", "case false:", cache},
		{"fill batches with what nobody reads", "../cache/load.go", "case r.absent, !r.read.Load():", "case r.absent:", cache},
		{"refresh again and again", "../cache/store.go", "&& r.behind.CompareAndSwap(false, true)", "", cache},

		// The limits on callers.
		{"take all callers for one", "../gateway/server/clients.go", "return clientaddr.Of(r.RemoteAddr)", "return \"\"", edge},
		{"count each port as a client", "../internal/clientaddr/clientaddr.go", "ap, err := netip.ParseAddrPort(addr)\n\tif err != nil {", "ap, err := netip.ParseAddrPort(addr)\n\tif true || err != nil {", edge},
		{"let one client use up what is common", "../gateway/server/admission.go", "if wait := lacking(c.bucket, k, now); wait > 0 {", "if wait := lacking(c.bucket, k, now); wait > 0 {\n\t\tif a.all != nil {\n\t\t\ta.all.AllowN(now, 1)\n\t\t}", edge},
		{"leave settling calls nothing of the rate", "../gateway/server/admission.go", "if k != settlingCall {", "if false {", edge},
		{"take messages of any size", "../gateway/server/intercept.go", "case size > maxRequest:", "case size > maxRequest && false:", edge},
		{"keep no place for Confirm", "../gateway/server/limits.go", "return bound - bound/10", "return bound", edge},
		{"remember every client", "../gateway/server/clients.go", "case len(t.known) >= t.most && !t.forgetOldest():", "case false:", edge},
		{"forget a client at work", "../gateway/server/clients.go", "c.calls+c.streams > 0 || c.at != nil {", "c.at != nil {", edge},
		{"keep the place of a call that ended", "../gateway/server/admission.go", "a.count(c, k, -1)", "", edge},
		{"tell nobody when to come again", "../gateway/server/errors.go", "retry: e.retry, meta: map[string]string{\"scope\"", "meta: map[string]string{\"scope\"", edge},
	}
}
