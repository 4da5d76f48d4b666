package main

// mutant is one planted bug: a text that stands once in a file, and what stands
// there instead.
type mutant struct {
	bug      string
	file     string // below lockstore
	from, to string
	in       []string // packages below lockstore that are to notice, each perhaps with :PATTERN of its tests; nil = the ledger's own
}

func table() []mutant {
	badger := []string{"engine/badgerengine"}
	engine := []string{"engine", "."}
	return []mutant{
		// Durability.
		{"answer before the record is durable", "ledger.go", "err := t.Wait(ctx)\n", "err := error(nil)\n", nil},
		{"answer a repeat or a read at once", "engine/committer.go", "return Ticket{b: c.applying}", "return resolved(nil)", engine},
		{"tear a batch in two", "engine/committer.go", "err := c.engine.Apply(b.writes)", "err := c.engine.Apply(b.writes[:1])\n\t\tif err == nil {\n\t\t\terr = c.engine.Apply(b.writes[1:])\n\t\t}", engine},
		{"apply the newest batch first", "engine/committer.go", "b := c.queue[0]\n\t\t\tc.queue = slices.Delete(c.queue, 0, 1)", "n := len(c.queue)\n\t\t\tb := c.queue[n-1]\n\t\t\tc.queue = slices.Delete(c.queue, n-1, n)", engine},
		{"go on after a failed commit", "ledger.go", "if err := l.disk.Err(); err != nil {", "if err := l.disk.Err(); err != nil && false {", nil},
		{"skip the sync", "engine/badgerengine/wal_linux.go", "switch err := unix.Fdatasync(int(w.file.Fd())); err {", "switch err := error(nil); err {", badger},
		{"sync a log that is no longer written", "engine/badgerengine/wal_linux.go", "if err := w.use(w.number + 1); err != nil {", "if err := error(nil); err != nil {", badger},
		{"pass over damaged tables", "engine/badgerengine/open.go", "return inspect(dir, opts)", "return 0, nil", badger},
		{"move half a lock to the ended ones", "store.go", "deleteWrite(attemptKey(prefixActive, id)),\n\t\tputWrite(", "putWrite(", nil},
		{"miss what ended while the disk was asked", "ended.go", "if l.turns.Load() != p.turn {", "if l.turns.Load()-p.turn >= 2 {", nil},
		{"lose the tombstone on the disk", "tombstones.go", "writes = append(writes, putWrite(pairKey(prefixTombstone, principal, orderNo), encodeLock(lock)))", "", nil},

		// Availability.
		{"drop the hold of a lock on its way out", "policy.go", "case Locked, Confirming, Releasing:", "case Locked, Confirming:", nil},
		{"forget a CONFIRMED hold before a reading knows", "policy.go", "case Confirmed:\n\t\treturn untilRead", "case Confirmed:\n\t\treturn notAtAll", nil},
		{"count what a reading knows twice", "stock.go", "sum -= s.acked[n-1].sum", "sum -= 2 * s.acked[n-1].sum", nil},
		{"judge a reading without the holds made since", "stock.go", "sum := s.made.total", "sum := int64(0)", nil},
		{"ignore the order of stamps", "stock.go", "return r.Stamp.Counter > a.counter && r.Began >= a.at+lag", "return r.Began >= a.at+lag", nil},
		{"ignore the figure lag", "stock.go", "return r.Stamp.Counter > a.counter && r.Began >= a.at+lag", "return r.Stamp.Counter > a.counter", nil},
		{"take a reading older than a drop", "stock.go", "return r.Stamp.Compare(s.floorStamp) < 0 || r.Began < s.floorBegan", "return false", nil},
		{"take a reading of an earlier opening", "holds.go", "if r.Stamp.Epoch == l.epoch {", "if true {", nil},
		{"ignore the safety stock", "holds.go", "if !paid {", "if false {", nil},
		{"keep safety stock back from the paid", "holds.go", "if !paid {", "if true {", nil},
		{"round up to the multiple", "stock.go", "left -= left % multiple", "left += (multiple - left%multiple) % multiple", nil},

		// The table of states.
		{"confirm after the release", "transition.go", "Releasing: refuse(ErrLockEnded), Released: refuse(ErrLockEnded),\n\t},\n\tEvRelease", "Releasing: confirm, Released: confirm,\n\t},\n\tEvRelease", nil},
		{"release what is being confirmed, by the clock", "transition.go", "Locked: byClock(asked(release)), Confirming: byClock(keep)", "Locked: byClock(asked(release)), Confirming: byClock(release)", nil},
		{"take an unknown freeze for refused", "transition.go", "EvUnknown: {Pending: unknown,", "EvUnknown: {Pending: refusePending,", nil},
		{"believe a \"none\" at once", "command_run.go", "c.graceOver = e.unknown && m.mono-e.unknownSince >= l.policy.Grace", "c.graceOver = true", nil},
		{"trust interrupted calls after an opening", "open.go", "lock.Unknown, lock.UnknownSince, lock.UnknownFrom = true, m.wall", "lock.UnknownSince, lock.UnknownFrom = m.wall", nil},
		{"take another order for a repeat", "transition.go", "if !c.same {", "if false {", nil},
		{"use a number at the HIS again", "hisno.go", "return id.OrderNo + \"-\" + strconv.Itoa(id.Attempt)", "return id.OrderNo + \"-2\"", nil},
		{"use another order's number at the HIS", "hisno.go", "case !possible, errors.Is(err, ErrNotFound):", "case true, !possible, errors.Is(err, ErrNotFound):", nil},
		{"show strangers each other's locks", "ended.go", "if v[i].principal() == principal {", "if true {", nil},

		// An opening, and a restore from a backup.
		{"forget the HIS's word at an opening", "codec_skim.go", "case fHISNo, fHISLockID, fHISOrderNo:", "case fWord:\n\t\t\tr.Byte()\n\t\tcase fHISNo, fHISLockID, fHISOrderNo:", nil},
		{"begin attempts while what happened since the backup is not known", "lock_command.go", "if l.restored.Recovering() {", "if false {", nil},
		{"go on after a restore as if nothing had happened since", "recovery.go", "lock.AskFirst = true\n\tif !l.policy.Find", "if !l.policy.Find", nil},
		{"let callers move a lock before the HIS was asked after a restore", "transition_restored.go", "case !c.lock.AskFirst:", "case true:", nil},
		{"end a recovery with locks unasked", "recovery.go", "case l.stats.Asking > 0:", "case false:", nil},
		{"forget with the end of a recovery whom it waits for", "recovery.go", "for len(l.marked) > 0 {\n\t\tl.storeMarks(m)\n\t}\n", "", nil},
		{"ask again after each restart what the HIS has answered", "recovery.go", "case !l.asksFirst(m) || lock.RecalledFor.Equal(l.restored.At):", "case !l.asksFirst(m):", nil},
		{"believe an opening of before the restore", "restored.go", "restoreWrite(Restore{At: plain(at)}), deleteWrite([]byte(keyRest))", "restoreWrite(Restore{At: plain(at)})", nil},

		// The clock.
		{"expire one too early", "timers.go", "if t == nil || t.at > now {", "if t == nil || t.at > now+1 {", nil},
		{"release what is not due", "transition.go", "if !c.due {", "if false {", nil},
		{"expire while the clock is in doubt", "due.go", "if l.watch.err() != nil {\n\t\t\treturn nil\n\t\t}", "", nil},
		{"store a clock that is in doubt", "clock.go", "return time.Unix(0, w.offset+int64(m.mono)).UTC(), true", "return m.wall, true", nil},
		{"expire by the wall clock's jumps", "clock.go", "case near(offset, w.offset):", "case true, near(offset, w.offset):", nil},
		{"believe an expire_time of a wrong clock", "entry.go", "if lock.MadeFrom > 0 && lock.MadeFrom < l.running.doubt {", "if false {", nil},
		{"forget at an opening that the clock was in doubt", "running.go", "l.running.doubt = ran + 1", "", nil},
		{"count a pause by a clock that was in doubt", "running.go", "if c.doubt <= c.ran {", "if true {", nil},
	}
}
