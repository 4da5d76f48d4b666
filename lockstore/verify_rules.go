package lockstore

import (
	"fmt"
	"slices"
	"strings"
)

// wrongWith holds the fields of an attempt against each other and against its
// status, as the table of transitions leaves them.
func wrongWith(l *Lock) (wrong []string) {
	must := func(holds bool, format string, args ...any) {
		if !holds {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	must(l.Attempt >= 1, "attempt %d", l.Attempt)
	must(l.HISNo == numbered(l.ID()), "its number at the HIS is %q, want %q", l.HISNo, numbered(l.ID()))
	must(l.PharmacyID != "", "no pharmacy")
	must(l.Version >= 1, "no version")
	must(!l.CreatedAt.IsZero() && !l.UpdatedAt.IsZero(), "no time of creation or change")
	wrong = append(wrong, wrongItems(l.Items)...)

	held := l.Status == Pending || l.Status == Locked || l.Status == Confirming
	over := l.Status == Releasing || l.Status == Released
	must(l.Status != Pending || l.Freeze, "PENDING, and no freeze was wanted")
	must(!l.ReleaseWanted || l.Status == Pending || over || l.Status == Confirmed, "a release is wanted, and it is %s", l.Status)
	must(!held || (l.Cause != NoCause) == l.ReleaseWanted, "%s with cause %s", l.Status, l.Cause)
	must(!over || l.Cause != NoCause, "%s without a cause", l.Status)
	must(l.Cause != AsTombstone, "an attempt with the cause of a tombstone")
	must(l.Status != Confirmed || l.Word == WordDeducted || l.Word == WordCancelled, "CONFIRMED, and the HIS never said so")
	must(l.Status != Confirmed || !l.Unknown, "CONFIRMED with an unknown outcome")
	must(l.Word != WordDeducted || l.Status == Confirmed || l.CaseReason != "", "the HIS has deducted for a lock that is %s, and it is no case", l.Status)
	must(l.HISOrderNo == "" || l.Word == WordDeducted || l.Word == WordCancelled, "a HIS order number, and the HIS never deducted")
	must(l.CancelledAt.IsZero() || l.Status == Confirmed && l.Word == WordCancelled, "cancelled at the HIS, and it is %s", l.Status)
	must(l.Unknown != l.UnknownSince.IsZero(), "an unknown outcome without its time, or the time without it")
	must(l.CaseReason != "" || l.CaseKind == CaseBusiness, "the kind of a case without a case")
	must(l.Watch >= 0 && l.Watch <= len(watches) && (l.Watch > 0) != l.WatchAt.IsZero(), "%d looks left, the next at %v", l.Watch, l.WatchAt)
	if n := len(l.History); n == 0 {
		must(false, "no history")
	} else {
		must(l.History[n-1].To == l.Status, "it is %s, and its history ends with %s", l.Status, l.History[n-1].To)
	}
	return wrong
}

// wrongItems: merged and sorted by drug.
func wrongItems(items []Item) (wrong []string) {
	if len(items) == 0 {
		return []string{"no items"}
	}
	if !slices.IsSortedFunc(items, func(a, b Item) int { return strings.Compare(a.DrugID, b.DrugID) }) {
		wrong = append(wrong, "its items are not sorted")
	}
	for i, it := range items {
		if it.Quantity < 1 || it.DrugID == "" {
			wrong = append(wrong, fmt.Sprintf("%d units of drug %q", it.Quantity, it.DrugID))
		}
		if i > 0 && items[i-1].DrugID == it.DrugID {
			wrong = append(wrong, fmt.Sprintf("drug %q twice", it.DrugID))
		}
	}
	return wrong
}
