package lockstore

import (
	"maps"
	"slices"

	"github.com/hisgate/hisgate/lockstore/internal/tlv"
)

// The stored form of a lock: fields by number in the wire format of protocol
// buffers, so that a reader skips the numbers that it does not know. Numbers are
// never used again for something else. Zero values are left out.
//
// formatVersion rises only when an older reader would misunderstand a record,
// not when a field is added; a record of a newer format is refused.
const formatVersion = 1

const (
	fVersionOfFormat = 1
	fOrderNo         = 2
	fAttempt         = 3
	fHISNo           = 4
	fPrincipal       = 5
	fPharmacyID      = 6
	fItems           = 7
	fAttributes      = 8
	fStatus          = 9
	fCause           = 10
	fVersion         = 11
	fFlags           = 12
	fHISLockID       = 13
	fFreezeExpires   = 14
	fHISOrderNo      = 15
	fReference       = 16
	fWord            = 17
	fExpireTime      = 18
	fCreatedAt       = 19
	fUpdatedAt       = 20
	fCancelledAt     = 21
	fUnknownSince    = 22
	fWatch           = 23
	fWatchAt         = 24
	fCaseReason      = 25
	fShortages       = 26
	fHistory         = 27
	fCaseKind        = 28
	fFreezeFrom      = 29
	fRecalledFor     = 30
	fUnknownFrom     = 31
	fMadeFrom        = 32
)

// The bits of fFlags.
const (
	flagFreeze = 1 << iota
	flagOwner
	flagDegraded
	flagReleaseWanted
	flagUnknown
	flagOrderSent
	flagFreezeDoubt
	flagAskFirst
)

// encodeLock returns the stored form of l.
func encodeLock(l *Lock) []byte {
	w := tlv.NewWriter(192 + 32*len(l.Items) + 48*len(l.History))
	w.Uint(fVersionOfFormat, formatVersion)
	w.String(fOrderNo, l.OrderNo)
	w.Uint(fAttempt, uint64(l.Attempt))
	w.String(fHISNo, l.HISNo)
	w.String(fPrincipal, l.Principal)
	w.String(fPharmacyID, l.PharmacyID)
	for i := range l.Items {
		it := &l.Items[i]
		w.Nested(fItems, func(w *tlv.Writer) {
			w.String(1, it.DrugID)
			w.Int(2, it.Quantity)
			w.Int(3, it.LineFen)
		})
	}
	encodeMap(w, fAttributes, l.Attributes)
	w.Uint(fStatus, uint64(l.Status))
	w.Uint(fCause, uint64(l.Cause))
	w.Uint(fVersion, l.Version)
	w.Uint(fFlags, flagsOf(l))
	w.String(fHISLockID, l.HISLockID)
	w.Time(fFreezeFrom, l.FreezeFrom)
	w.Time(fFreezeExpires, l.FreezeExpires)
	w.String(fHISOrderNo, l.HISOrderNo)
	if l.Status >= Confirming {
		w.Nested(fReference, func(w *tlv.Writer) {
			w.String(1, l.Reference.TransactionID)
			w.Time(2, l.Reference.PaidAt)
			w.Int(3, l.Reference.DrugsFen)
			encodeMap(w, 4, l.Reference.Attributes)
		})
	}
	w.Uint(fWord, uint64(l.Word))
	w.Time(fExpireTime, l.ExpireTime)
	w.Time(fCreatedAt, l.CreatedAt)
	w.Int(fMadeFrom, int64(l.MadeFrom))
	w.Time(fUpdatedAt, l.UpdatedAt)
	w.Time(fCancelledAt, l.CancelledAt)
	w.Time(fUnknownSince, l.UnknownSince)
	w.Int(fUnknownFrom, int64(l.UnknownFrom))
	w.Time(fRecalledFor, l.RecalledFor)
	w.Uint(fWatch, uint64(l.Watch))
	w.Time(fWatchAt, l.WatchAt)
	w.String(fCaseReason, l.CaseReason)
	w.Uint(fCaseKind, uint64(l.CaseKind))
	for i := range l.Shortages {
		s := &l.Shortages[i]
		w.Nested(fShortages, func(w *tlv.Writer) {
			w.String(1, s.DrugID)
			w.Int(2, s.Requested)
			w.Int(3, s.Available)
		})
	}
	for i := range l.History {
		s := &l.History[i]
		w.Nested(fHistory, func(w *tlv.Writer) { encodeStep(w, s) })
	}
	return w.Bytes()
}

func encodeStep(w *tlv.Writer, s *Step) {
	w.Time(1, s.Time)
	if !s.Last.Equal(s.Time) {
		w.Time(2, s.Last)
	}
	w.Uint(3, uint64(s.Count))
	w.Uint(4, uint64(s.From))
	w.Uint(5, uint64(s.To))
	w.Uint(6, uint64(s.Event))
	w.String(7, s.Code)
	w.String(8, s.Message)
	w.String(9, s.Actor)
}

func encodeMap(w *tlv.Writer, field int, m map[string]string) {
	if len(m) == 0 {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		w.Nested(field, func(w *tlv.Writer) {
			w.String(1, k)
			w.String(2, m[k])
		})
	}
}

func flagsOf(l *Lock) uint64 {
	var f uint64
	for _, b := range []struct {
		set bool
		bit uint64
	}{
		{l.Freeze, flagFreeze},
		{l.Owner, flagOwner},
		{l.Degraded, flagDegraded},
		{l.ReleaseWanted, flagReleaseWanted},
		{l.Unknown, flagUnknown},
		{l.OrderSent, flagOrderSent},
		{l.FreezeDoubt, flagFreezeDoubt},
		{l.AskFirst, flagAskFirst},
	} {
		if b.set {
			f |= b.bit
		}
	}
	return f
}
