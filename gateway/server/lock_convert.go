package server

import (
	"strconv"

	"github.com/hisgate/hisgate/lockstore"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

func toLocks(locks []lockstore.Lock) []*hisgatev1.Lock {
	out := make([]*hisgatev1.Lock, len(locks))
	for i := range locks {
		out[i] = LockMessage(&locks[i])
	}
	return out
}

// LockMessage is a lock as the API shows it.
func LockMessage(l *lockstore.Lock) *hisgatev1.Lock {
	out := &hisgatev1.Lock{
		OrderNo: l.OrderNo, PharmacyId: l.PharmacyID, Status: toLockStatus(l.Status), Attempt: int32(l.Attempt),
		HisNo: l.HISNo, HisLockId: l.HISLockID, HisOrderNo: l.HISOrderNo,
		ExpireTime: stamp(l.ExpireTime), CreateTime: stamp(l.CreatedAt), UpdateTime: stamp(l.UpdatedAt),
		Degraded: l.Degraded, Etag: lockEtag(l), Attributes: l.Attributes, Cause: toLockCause(l.Cause),
		ReleaseWanted: l.ReleaseWanted, HisExpireTime: stamp(l.FreezeExpires), HisCancelTime: stamp(l.CancelledAt),
		Principal: l.Principal, Unknown: l.Unknown, CaseReason: l.CaseReason, Payment: toReference(l),
	}
	for _, it := range l.Items {
		out.Items = append(out.Items, &hisgatev1.LockItem{DrugId: it.DrugID, Quantity: it.Quantity, LineFen: it.LineFen})
	}
	for i := range l.History {
		out.History = append(out.History, toLockStep(&l.History[i]))
	}
	out.Shortages = toShortages(l.Shortages).GetShortages()
	return out
}

func lockEtag(l *lockstore.Lock) string { return strconv.FormatUint(l.Version, 10) }

// toReference is what Confirm was told; unset before.
func toReference(l *lockstore.Lock) *hisgatev1.PaymentReference {
	ref := &l.Reference
	if ref.TransactionID == "" && ref.PaidAt.IsZero() && ref.DrugsFen == 0 {
		return nil
	}
	return &hisgatev1.PaymentReference{
		TransactionId: ref.TransactionID, PaidTime: stamp(ref.PaidAt), DrugsFen: ref.DrugsFen,
	}
}

func toLockStep(s *lockstore.Step) *hisgatev1.LockStep {
	return &hisgatev1.LockStep{
		Time: stamp(s.Time), From: toLockStatus(s.From), To: toLockStatus(s.To), Cause: s.Event.String(),
		HisCode: s.Code, HisMessage: s.Message, Actor: s.Actor, Count: stepCount(s.Count), LastTime: stamp(s.Last),
	}
}

// toLockStatus relies on the names, which both sides share; a test holds that.
func toLockStatus(s lockstore.Status) hisgatev1.Lock_Status {
	return hisgatev1.Lock_Status(hisgatev1.Lock_Status_value[s.String()])
}

func toLockCause(c lockstore.Cause) hisgatev1.Lock_Cause {
	return hisgatev1.Lock_Cause(hisgatev1.Lock_Cause_value[c.String()])
}

func lockStatus(s hisgatev1.Lock_Status) lockstore.Status {
	for _, st := range []lockstore.Status{
		lockstore.Pending, lockstore.Locked, lockstore.Confirming,
		lockstore.Confirmed, lockstore.Releasing, lockstore.Released,
	} {
		if toLockStatus(st) == s {
			return st
		}
	}
	return 0
}
