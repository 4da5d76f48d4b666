package lockstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// The columns of the table.
var columns = [...]Status{0, Pending, Locked, Confirming, Confirmed, Releasing, Released}

var testNow = time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)

func testPolicy() Policy {
	return Policy{Freeze: true, NetFigure: true, AtomicItems: true, IdempotentByHisNo: true, Find: true}
}

// subject is a lock in a status, of a HIS that freezes, as it usually is there.
func subject(s Status) *Lock {
	l := &Lock{OrderNo: "RX1", Attempt: 1, Principal: "alice", Freeze: true, Status: s}
	switch s {
	case Locked, Confirming, Releasing:
		l.Word = WordFrozen
	case Confirmed:
		l.Word = WordDeducted
	case Released:
		l.Word, l.Cause = WordReleased, ByCaller
	}
	return l
}

// outcome names what an event did to a lock, in short: – fault,
// !error, = unchanged, · changed and kept its status, or the new status; then
// what else came of it.
func outcome(was Lock, l *Lock, changed bool, err error) string {
	if _, ok := errors.AsType[*FaultError](err); ok {
		return "–"
	}
	if err != nil {
		return "!" + map[error]string{
			ErrNotFound: "NOT_FOUND", ErrOrderNoReused: "REUSED", ErrLockEnded: "ENDED", ErrLockPending: "PENDING",
			ErrConfirmInProgress: "IN_PROGRESS", ErrAlreadyConfirmed: "CONFIRMED", ErrNotSettled: "NOT_SETTLED",
			ErrRecovering:  "RECOVERING",
			errNextAttempt: "next",
		}[err]
	}
	if !changed {
		return "="
	}
	out := "·"
	if l.Status != was.Status {
		out = l.Status.String()
	}
	for _, f := range []struct {
		set  bool
		name string
	}{
		{l.ReleaseWanted && !was.ReleaseWanted, "RW"},
		{l.CaseReason != "" && was.CaseReason == "", "case"},
		{l.CaseReason == "" && was.CaseReason != "", "closed"},
		{l.Watch > 0 && was.Watch == 0, "watch"},
		{l.Unknown && !was.Unknown, "unknown"},
		{!l.Unknown && was.Unknown, "known"},
		{!l.CancelledAt.IsZero() && was.CancelledAt.IsZero(), "cancelled_at"},
		{!l.ExpireTime.Equal(was.ExpireTime), "time"},
		{was.AskFirst && !l.AskFirst, "asked"},
	} {
		if f.set {
			out += " " + f.name
		}
	}
	return out
}

// TestTransitionTable holds every cell of the table, for a lock as it usually is
// in that status; the rows are its events.
func TestTransitionTable(t *testing.T) {
	tests := []struct {
		event EventKind
		set   func(*change)
		want  string // by column
	}{
		{EvLock, func(c *change) { c.same = true }, "PENDING | = | = | = | = | !ENDED | !ENDED"},
		{EvLock, func(c *change) { c.same = false }, "PENDING | !REUSED | !REUSED | !REUSED | !REUSED | !REUSED | !REUSED"},
		{EvConfirm, nil, "!NOT_FOUND | !PENDING | CONFIRMING | = | = | !ENDED | !ENDED"},
		{EvRelease, nil, "RELEASED | · RW | RELEASING | !IN_PROGRESS | !CONFIRMED | = | ="},
		{EvClock, nil, "– | · RW | RELEASING | = | = | = | ="},
		{EvClock, func(c *change) { c.due = false }, "– | = | = | = | = | = | ="},
		{EvClock, func(c *change) { c.lock.Owner = true }, "– | – | – | – | – | – | –"}, // [B6]
		{EvOwnerRelease, func(c *change) { c.lock.Owner = true }, "– | · RW | RELEASING | = | = | = | ="},
		{EvOwnerRelease, nil, "– | – | – | – | – | – | –"},
		{EvOwnerKeep, func(c *change) { c.lock.Owner = true }, "– | · time | · time | = | = | = | ="},
		{EvOwnerKeep, nil, "– | – | – | – | – | – | –"},
		{EvFreezeDone, nil, "– | LOCKED | · | · | – | · | ·"},
		{EvFreezeRefused, nil, "– | RELEASED | RELEASING | RELEASING | – | · | ·"},
		{EvFreezeNone, nil, "– | · | · | · | – | RELEASED watch | ="},
		{EvFreezeLapsed, nil, "– | · | · | · | – | RELEASED | ="},
		{EvOrderPlaced, nil, "– | · case | · case | CONFIRMED | = | · case | · case"},
		{EvOrderRefused, nil, "– | – | – | RELEASING | – | – | –"},
		{EvOrderNone, nil, "– | – | – | · | – | – | –"},
		{EvNotDone, nil, "– | · | · | · | = | · | ·"},
		{EvUnknown, nil, "– | · unknown | · unknown | · unknown | = | · unknown | · unknown"},
		{EvUnknown, func(c *change) { c.event.Op = OpFindOrder }, "– | · | · | · | = | · | ·"},
		{EvUnfreezeDone, nil, "– | · case | · case | · case | – | RELEASED | ="},
		{EvWatchFrozen, nil, "– | – | – | – | – | · | ·"},
		{EvWatchClear, nil, "– | – | – | – | – | = | ="},
		{EvCase, nil, "– | · case | · case | · case | · case | · case | · case"},
		{EvApplied, nil, "– | LOCKED | – | CONFIRMED | – | RELEASED | CONFIRMED"},
		{EvNotApplied, nil, "– | RELEASED watch | – | RELEASING | – | · | –"},
		{EvCancelled, nil, "– | – | – | RELEASING | · cancelled_at | – | –"},
		// [B9]
		{EvRecalled, nil, "– | = | = | = | = | = | ="},
		{EvRecalled, recalledAs(WordDeducted), "– | CONFIRMED asked | CONFIRMED asked | CONFIRMED asked | = | · case asked | ="},
		{EvRecalled, recalledAs(WordReleased), "– | RELEASED asked | RELEASED asked | RELEASED asked | = | · asked | ="},
		{EvRecalled, recalledAs(WordFrozen), "– | LOCKED asked | · asked | · asked | = | · asked | ="},
		{EvRecalled, recalledAs(WordLapsed), "– | · asked | · asked | · asked | = | · asked | ="},
		{EvRecalled, recalledAs(WordNone), "– | · asked | · asked | · asked | = | · asked | ="},
		{EvRecalled, func(c *change) { recalledAs(WordNone)(c); c.lock.Owner = true }, "– | · asked | · asked | LOCKED asked | = | · asked | ="},
		{EvConfirm, askFirst, "!NOT_FOUND | !PENDING | !RECOVERING | = | = | !ENDED | !ENDED"},
		{EvRelease, askFirst, "RELEASED | !RECOVERING | !RECOVERING | !IN_PROGRESS | !CONFIRMED | = | ="},
		{EvClock, askFirst, "– | = | = | = | = | = | ="},
		{EvOwnerRelease, func(c *change) { askFirst(c); c.lock.Owner = true }, "– | = | = | = | = | = | ="},
		{EvApplied, askFirst, "– | CONFIRMED asked | CONFIRMED asked | CONFIRMED asked | – | RELEASED asked | CONFIRMED"},
		{EvNotApplied, func(c *change) { askFirst(c); c.lock.CaseReason = "restored" }, "– | RELEASED closed watch asked | · closed asked | RELEASING closed | – | · closed asked | · closed"},
	}
	seen := map[EventKind]bool{}
	for _, tt := range tests {
		seen[tt.event] = true
		cells := strings.Split(tt.want, " | ")
		if len(cells) != len(columns) {
			t.Fatalf("%s: %d cells", tt.event, len(cells))
		}
		for i, s := range columns {
			if got := play(subject(s), tt.event, tt.set); got != cells[i] {
				t.Errorf("%s at %s: got %q, want %q", tt.event, s, got, cells[i])
			}
		}
	}
	for k := EvLock; k <= EvRecalled; k++ {
		if !seen[k] {
			t.Errorf("no test of event %s", k)
		}
	}
	if got := play(subject(Locked), EvRecalled+1, nil); got != "–" {
		t.Errorf("an event that does not exist: %q", got)
	}
}

// askFirst makes the lock one that the HIS is still to be asked about [B9].
func askFirst(c *change) {
	if s := c.lock.Status; s != 0 && s != Confirmed && s != Released {
		c.lock.AskFirst = true
	}
}

func recalledAs(w HISWord) func(*change) {
	return func(c *change) {
		askFirst(c)
		c.event.Word = w
	}
}

// play applies one event and names the outcome. It fails when a change left no
// trace in the history, or when what was refused had changed the lock.
func play(l *Lock, kind EventKind, set func(*change)) string {
	p := testPolicy()
	c := change{
		policy: &p, lock: l, now: testNow, due: true, graceOver: true, actor: "alice", cause: ByCaller,
		event: Event{Kind: kind, HISLockID: "DJ1", HISOrderNo: "H1", Until: testNow.Add(time.Hour)},
	}
	if set != nil {
		set(&c)
	}
	was := *l
	changed, err := c.apply()
	got := outcome(was, l, changed, err)
	switch {
	case changed && (l.Version != was.Version+1 || len(l.History) == 0 || l.History[len(l.History)-1].To != l.Status):
		got += " WITHOUT A TRACE"
	case !changed && fmt.Sprintf("%+v", was) != fmt.Sprintf("%+v", *l):
		got += " BUT CHANGED"
	}
	return got
}

// TestTransitionVariations holds what a cell does to locks that are not as usual.
func TestTransitionVariations(t *testing.T) {
	rw := func(c *change) { c.lock.ReleaseWanted, c.lock.Cause = true, ByClock }
	noFreeze := func(c *change) { c.policy.Freeze, c.lock.Freeze, c.lock.Word = false, false, WordNone }
	inDoubt := func(c *change) { c.lock.Unknown = true }
	early := func(c *change) { c.lock.Unknown, c.graceOver = true, false }
	sent := func(c *change) { c.lock.OrderSent = true }
	sentInDoubt := func(c *change) { c.lock.OrderSent, c.lock.Unknown = true, true }
	stray := func(c *change) { c.lock.Word, c.lock.CaseReason = WordDeducted, "an order turned up" }
	withCase := func(c *change) { c.lock.CaseReason = "look" }
	freezeDoubt := func(c *change) { c.lock.FreezeDoubt = true }
	refusedInDoubt := func(c *change) { c.lock.CaseReason, c.lock.CaseKind = "refused", CaseDoubt }
	unknownCase := func(c *change) { c.lock.CaseReason, c.lock.CaseKind = "since then", CaseUnknown }
	about := func(c *change) { c.event.AboutUnknown, c.event.Message = true, "since then" }
	unfreezeTask := func(c *change) { c.lock.Word = WordFrozen }
	watching := func(c *change) { c.lock.Watch, c.lock.WatchAt = 1, testNow }
	short := func(c *change) { c.event.Shortages = []Shortage{{DrugID: "A", Requested: 2}} }

	tests := []struct {
		name  string
		at    Status
		event EventKind
		set   []func(*change)
		want  string
		check func(*Lock) bool
	}{
		{"no freeze: held at once", 0, EvLock, with(noFreeze), "LOCKED", nil},
		{"no freeze: released at once", Locked, EvRelease, with(noFreeze), "RELEASED", func(l *Lock) bool { return l.Cause == ByCaller && l.Settled() }},
		{"no freeze: expires at once", Locked, EvClock, with(noFreeze), "RELEASED", func(l *Lock) bool { return l.Cause == ByClock }},
		{"no freeze: order refused", Confirming, EvOrderRefused, with(noFreeze), "RELEASED", func(l *Lock) bool { return l.Settled() && l.Cause == ByHIS }},
		{"no freeze: person says not applied", Confirming, EvNotApplied, with(noFreeze, sentInDoubt), "RELEASED watch known", (*Lock).Settled},
		{"a person's word within the grace time", Confirming, EvNotApplied, with(noFreeze, sentInDoubt, early), "!IN_PROGRESS", nil},
		{"also about a freeze", Pending, EvNotApplied, with(early), "!IN_PROGRESS", nil},
		{"no freeze: HIS order cancelled", Confirming, EvCancelled, with(noFreeze, sentInDoubt), "RELEASED known", func(l *Lock) bool { return l.Settled() && l.Word == WordCancelled }},

		{"shortage lets the order_no be tried again", Released, EvLock, with(func(c *change) { c.same, c.lock.Cause = true, ForShortage }), "!next", nil},
		{"shortage of other items does not", Released, EvLock, with(func(c *change) { c.lock.Cause = ForShortage }), "!REUSED", nil},
		{"an unsettled shortage does not", Released, EvLock, with(inDoubt, func(c *change) { c.same, c.lock.Cause = true, ForShortage }), "!NOT_SETTLED", nil},
		{"B5: a new attempt follows any settled end", Released, EvLock, with(func(c *change) { c.same, c.newAttempt = true, true }), "!next", nil},
		{"B5: but not an unsettled one", Released, EvLock, with(inDoubt, func(c *change) { c.same, c.newAttempt = true, true }), "!NOT_SETTLED", nil},
		{"a tombstone refuses the same", Released, EvLock, with(func(c *change) { c.same, c.lock.Cause = true, AsTombstone }), "!ENDED", nil},
		{"a tombstone refuses others", Released, EvLock, with(func(c *change) { c.lock.Cause = AsTombstone }), "!ENDED", nil},
		{"a new attempt passes a tombstone", Released, EvLock, with(func(c *change) { c.newAttempt, c.lock.Cause, c.lock.Word = true, AsTombstone, WordNone }), "!next", nil},
		{"a repeated release is no change", Pending, EvRelease, with(rw), "=", func(l *Lock) bool { return l.Cause == ByClock }},

		{"released meanwhile: freeze done", Pending, EvFreezeDone, with(rw), "RELEASING", func(l *Lock) bool { return l.Word == WordFrozen }},
		{"released meanwhile: freeze refused", Pending, EvFreezeRefused, with(rw, short), "RELEASED", func(l *Lock) bool { return l.Cause == ByClock }},
		{"released meanwhile: freeze none", Pending, EvFreezeNone, with(rw, inDoubt), "RELEASED watch known", (*Lock).Settled},
		{"released meanwhile: freeze lapsed", Pending, EvFreezeLapsed, with(rw, inDoubt), "RELEASED known", (*Lock).Settled},
		{"released meanwhile: person says applied", Pending, EvApplied, with(rw, inDoubt), "RELEASING known", nil},

		{"freeze refused for stock", Pending, EvFreezeRefused, with(short), "RELEASED", func(l *Lock) bool { return l.Cause == ForShortage && len(l.Shortages) == 1 && l.Settled() }},
		{"freeze refused otherwise", Pending, EvFreezeRefused, nil, "RELEASED", func(l *Lock) bool { return l.Cause == ByHIS }},
		{"freeze refused after a doubtful one", Pending, EvFreezeRefused, with(inDoubt), "RELEASED watch known", nil},
		{"C1: whatever was said of that since", Pending, EvFreezeRefused, with(freezeDoubt, short), "RELEASED watch", func(l *Lock) bool { return l.Cause == ForShortage && l.Settled() }},
		{"C1: also while held", Locked, EvFreezeRefused, with(freezeDoubt, func(c *change) { c.lock.Word = WordNone }), "RELEASED watch", (*Lock).Settled},
		{"the freeze in doubt is there", Pending, EvFreezeDone, with(freezeDoubt), "LOCKED", func(l *Lock) bool { return !l.FreezeDoubt }},
		{"C1: a HIS that takes duplicates may hold another", Releasing, EvUnfreezeDone, with(freezeDoubt, func(c *change) { c.policy.IdempotentByHisNo = false }), "RELEASED watch", (*Lock).Settled},
		{"an unknown freeze is in doubt", Pending, EvUnknown, with(func(c *change) { c.event.Op = OpFreeze }), "· unknown", func(l *Lock) bool { return l.FreezeDoubt && !l.OrderSent }},
		{"C1: order refused after a doubtful one", Confirming, EvOrderRefused, with(noFreeze, sent), "· case unknown", func(l *Lock) bool { return l.CaseKind == CaseDoubt && !l.Settled() }},
		{"C1: none is no way out of that", Confirming, EvOrderNone, with(noFreeze, sentInDoubt, refusedInDoubt), "=", nil},
		{"C1: the order is one", Confirming, EvOrderPlaced, with(noFreeze, sentInDoubt, refusedInDoubt), "CONFIRMED closed known", nil},
		{"C1: a person is another, and the HIS is looked at", Confirming, EvNotApplied, with(noFreeze, sentInDoubt, refusedInDoubt), "RELEASED closed watch known", (*Lock).Settled},
		{"C1: where a deduct needs a freeze, giving that back is one", Confirming, EvOrderRefused, with(sent, func(c *change) { c.policy.DeductNeedsFreeze = true }), "RELEASING", nil},
		{"and then it is looked at", Releasing, EvUnfreezeDone, with(sent), "RELEASED watch", (*Lock).Settled},
		{"freeze lapsed and refused while held", Locked, EvFreezeRefused, with(func(c *change) { c.lock.Word = WordLapsed }), "RELEASED", func(l *Lock) bool { return l.Settled() && l.Cause == ByHIS }},
		{"freeze lapsed and refused, order never sent", Confirming, EvFreezeRefused, with(func(c *change) { c.lock.Word = WordLapsed }), "RELEASED", (*Lock).Settled},
		{"freeze lapsed and refused, order sent", Confirming, EvFreezeRefused, with(sent), "· case", nil},
		{"C1: none is not believed before the grace time", Pending, EvFreezeNone, with(early), "=", nil},
		{"C1: nor for a freeze to undo", Releasing, EvFreezeNone, with(early), "=", nil},
		{"none: freeze again", Pending, EvFreezeNone, with(inDoubt), "· known", nil},
		{"none says nothing of an order in doubt", Confirming, EvFreezeNone, with(sentInDoubt), "·", nil},
		{"none after an unknown unfreeze task", Released, EvFreezeNone, with(inDoubt), "· watch known", nil},
		{"found frozen says nothing of an order in doubt", Confirming, EvFreezeDone, with(sentInDoubt), "·", nil},
		{"found lapsed, order in doubt, too early", Confirming, EvFreezeLapsed, with(sentInDoubt, early, func(c *change) { c.event.Op = OpFindOrder }), "=", nil},
		{"placing refused as lapsed", Confirming, EvFreezeLapsed, with(sent, func(c *change) { c.event.Op = OpPlaceOrder }), "·", func(l *Lock) bool { return l.Word == WordLapsed }},
		{"a lapsed freeze of a held lock", Locked, EvFreezeLapsed, nil, "·", func(l *Lock) bool { return l.Word == WordLapsed }},
		{"frozen after the end", Released, EvFreezeDone, nil, "·", func(l *Lock) bool { return !l.Settled() && l.Word == WordFrozen }},
		{"that freeze undone", Released, EvUnfreezeDone, with(unfreezeTask), "·", func(l *Lock) bool { return l.Settled() && l.Word == WordReleased }},
		{"that freeze lapsed", Released, EvFreezeLapsed, with(unfreezeTask), "·", (*Lock).Settled},
		{"a look finds a given-up freeze", Released, EvWatchFrozen, with(watching), "·", func(l *Lock) bool { return l.Watch == 0 && !l.Settled() }},
		{"the last look finds nothing", Released, EvWatchClear, with(watching), "·", func(l *Lock) bool { return l.Watch == 0 && l.WatchAt.IsZero() }},
		{"a freeze without an end of its own gets the HIS's", Pending, EvFreezeDone, with(func(c *change) { c.policy.FreezeTTL, c.lock.CreatedAt = time.Hour, testNow }), "LOCKED", func(l *Lock) bool { return l.FreezeExpires.Equal(testNow.Add(time.Hour)) }},
		{"one that was found is as old as its lock", Pending, EvFreezeDone, with(inDoubt, func(c *change) {
			c.policy.FreezeTTL, c.event.Op, c.lock.CreatedAt = time.Hour, OpFindOrder, testNow.Add(-time.Minute)
		}), "LOCKED known", func(l *Lock) bool { return l.FreezeExpires.Equal(testNow.Add(59 * time.Minute)) }},
		{"one taken again and found is as old as the call", Locked, EvFreezeDone, with(inDoubt, func(c *change) {
			c.policy.FreezeTTL, c.event.Op, c.lock.Word, c.lock.FreezeFrom = time.Hour, OpFindOrder, WordLapsed, testNow.Add(-time.Minute)
		}), "· known", func(l *Lock) bool { return l.FreezeExpires.Equal(testNow.Add(59 * time.Minute)) }},
		{"one that is found again has not become younger", Locked, EvFreezeDone, with(func(c *change) {
			c.policy.FreezeTTL, c.event.Op, c.lock.FreezeFrom = time.Hour, OpFindOrder, testNow.Add(-59*time.Minute)
			c.lock.FreezeExpires, c.lock.HISLockID = testNow.Add(time.Minute), "DJ1"
		}), "=", nil},
		{"nor when the HIS names the end that was not believed", Confirming, EvFreezeDone, with(func(c *change) {
			c.policy.FreezeTTL, c.event.Op, c.lock.FreezeFrom = time.Hour, OpFindOrder, testNow.Add(-59*time.Minute)
			c.lock.FreezeExpires, c.lock.HISLockID, c.event.FreezeExpires = testNow.Add(time.Minute), "DJ1", testNow.Add(time.Hour)
		}), "=", nil},
		{"a freeze lives no longer than the HIS lets any", Pending, EvFreezeDone, with(func(c *change) {
			c.policy.FreezeTTL, c.lock.FreezeFrom, c.event.FreezeExpires = time.Hour, testNow, testNow.Add(2*time.Hour)
		}), "LOCKED", func(l *Lock) bool { return l.FreezeExpires.Equal(testNow.Add(time.Hour)) }},
		{"nor longer than the HIS says", Pending, EvFreezeDone, with(func(c *change) {
			c.policy.FreezeTTL, c.lock.FreezeFrom, c.event.FreezeExpires = time.Hour, testNow, testNow.Add(time.Minute)
		}), "LOCKED", func(l *Lock) bool { return l.FreezeExpires.Equal(testNow.Add(time.Minute)) }},
		{"it is as old as the only call", Pending, EvFreezeDone, with(func(c *change) {
			c.policy.FreezeTTL, c.lock.FreezeFrom, c.event.Op = time.Hour, testNow.Add(-10*time.Minute), OpFreeze
			c.event.Began = testNow.Add(-time.Minute)
		}), "LOCKED", func(l *Lock) bool { return l.FreezeExpires.Equal(testNow.Add(59 * time.Minute)) }},
		{"or as the first one that may have been it", Pending, EvFreezeDone, with(freezeDoubt, func(c *change) {
			c.policy.FreezeTTL, c.lock.FreezeFrom, c.event.Op = time.Hour, testNow.Add(-10*time.Minute), OpFreeze
			c.event.Began = testNow.Add(-time.Minute)
		}), "LOCKED", func(l *Lock) bool { return l.FreezeExpires.Equal(testNow.Add(50 * time.Minute)) }},
		{"what was not there is younger than the look", Locked, EvFreezeLapsed, with(func(c *change) {
			c.event.Op, c.event.Began = OpFindOrder, testNow.Add(-time.Second)
		}), "·", func(l *Lock) bool { return l.FreezeFrom.Equal(testNow.Add(-time.Second)) }},

		{"C1: order none where duplicates are refused", Confirming, EvOrderNone, with(sentInDoubt), "· known", nil},
		{"C1: order none where they are not", Confirming, EvOrderNone, with(sentInDoubt, func(c *change) { c.policy.IdempotentByHisNo = false }), "· case", func(l *Lock) bool { return l.Unknown }},
		{"C1: order none too early", Confirming, EvOrderNone, with(sentInDoubt, early), "=", nil},
		{"an unknown order was sent", Confirming, EvUnknown, with(func(c *change) { c.event.Op = OpPlaceOrder }), "· unknown", func(l *Lock) bool { return l.OrderSent && l.UnknownSince.Equal(testNow) }},
		{"C3: unknown where none can be asked", Confirming, EvUnknown, with(func(c *change) { c.policy.Find = false }), "· case unknown", nil},
		{"freeze for the order's sake is given back", Confirming, EvOrderRefused, with(noFreeze, unfreezeTask), "RELEASING", nil},
		{"also when its outcome is unknown", Confirming, EvNotApplied, with(noFreeze, inDoubt, func(c *change) { c.policy.DeductNeedsFreeze = true }), "RELEASING known", nil},
		{"an unknown outcome is a case no longer when it is known", Confirming, EvOrderNone, with(sentInDoubt, unknownCase), "· closed known", nil},
		{"nor for a freeze", Pending, EvFreezeNone, with(inDoubt, unknownCase), "· closed known", nil},
		{"nor for an unfreeze", Releasing, EvFreezeDone, with(inDoubt, unknownCase), "· closed known", nil},
		{"what else was asked stays asked", Pending, EvFreezeNone, with(inDoubt, withCase), "· known", nil},
		{"a case about what is known by now", Confirming, EvCase, with(about), "=", nil},
		{"it does not take the place of another", Confirming, EvCase, with(sentInDoubt, withCase, about), "=", nil},
		{"but gives way to one", Confirming, EvCase, with(sentInDoubt, unknownCase), "·", func(l *Lock) bool { return l.CaseKind == CaseBusiness }},
		{"a case that is open is not opened again", Locked, EvCase, with(withCase, func(c *change) { c.event.Message = "look" }), "=", nil},
		{"nor that of a none", Confirming, EvOrderNone, with(sentInDoubt, func(c *change) {
			c.policy.IdempotentByHisNo = false
			c.lock.CaseKind, c.lock.CaseReason = CaseUnknown, "the HIS knows no order, and would not refuse a duplicate if it was asked again"
		}), "=", nil},
		{"placing the order closes the case", Confirming, EvOrderPlaced, with(sentInDoubt, withCase), "CONFIRMED closed known", nil},
		{"cancelled twice", Confirmed, EvCancelled, with(func(c *change) { c.lock.CancelledAt = testNow }), "=", nil},
		{"cancelled after the order", Confirmed, EvCancelled, nil, "· cancelled_at", (*Lock).Settled},

		{"D1: a stray order unsettles an end", Released, EvOrderPlaced, nil, "· case", func(l *Lock) bool { return !l.Settled() }},
		{"D1: and releasing keeps the case", Locked, EvRelease, with(noFreeze, stray), "RELEASED", func(l *Lock) bool { return !l.Settled() && l.CaseReason != "" }},
		{"stray order: a person says it stands", Locked, EvApplied, with(stray), "CONFIRMED closed", nil},
		{"stray order while unfreezing: it stands", Releasing, EvApplied, with(stray), "CONFIRMED closed", nil},
		{"stray order: a person says it is gone", Released, EvNotApplied, with(stray), "· closed", (*Lock).Settled},
		{"stray order: cancelled at the HIS", Released, EvCancelled, with(stray), "· closed", (*Lock).Settled},
		{"a stray order outlives a word about the freeze", Released, EvFreezeDone, with(stray), "·", func(l *Lock) bool { return l.Word == WordDeducted }},
		{"a case of a held lock is closed", Locked, EvNotApplied, with(withCase), "· closed", nil},
		{"a case of a confirmed one too", Confirmed, EvApplied, with(withCase), "· closed", nil},
		{"a case is closed by moving on", Locked, EvConfirm, with(withCase), "CONFIRMING closed", nil},
		{"person says an unfreeze was not applied", Releasing, EvNotApplied, with(inDoubt, withCase), "· closed known", nil},
		{"B3: the clock leaves CONFIRMING alone", Confirming, EvClock, with(inDoubt), "=", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := subject(tt.at)
			got := play(l, tt.event, func(c *change) {
				for _, f := range tt.set {
					f(c)
				}
			})
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.check != nil && !tt.check(l) {
				t.Errorf("the lock is not as it should be: %+v", *l)
			}
		})
	}
}

func with(f ...func(*change)) []func(*change) { return f }
