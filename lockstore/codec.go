package lockstore

import (
	"errors"
	"fmt"
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
)

// The bits of fFlags.
const (
	flagFreeze = 1 << iota
	flagOwner
	flagDegraded
	flagReleaseWanted
	flagUnknown
	flagOrderSent
)

var errNewerFormat = errors.New("the record was written by a newer hisgate")

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
	w.Time(fUpdatedAt, l.UpdatedAt)
	w.Time(fCancelledAt, l.CancelledAt)
	w.Time(fUnknownSince, l.UnknownSince)
	w.Uint(fWatch, uint64(l.Watch))
	w.Time(fWatchAt, l.WatchAt)
	w.String(fCaseReason, l.CaseReason)
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
	} {
		if b.set {
			f |= b.bit
		}
	}
	return f
}

// decodeLock reads a stored lock. The result shares no memory with rec. It fails
// on a record that is cut, garbled, or of a newer format.
func decodeLock(rec []byte) (*Lock, error) {
	l := new(Lock)
	var version uint64
	r := tlv.NewReader(rec)
	for r.Next() {
		if r.Field() == fVersionOfFormat {
			version = r.Uint()
			continue
		}
		decodeField(l, r)
	}
	switch {
	case r.Err() != nil:
		return nil, fmt.Errorf("lock record: %w", r.Err())
	case version > formatVersion:
		return nil, fmt.Errorf("lock record of format %d: %w", version, errNewerFormat)
	case version == 0 || l.OrderNo == "" || l.Status == 0 || l.Status > Released:
		return nil, errors.New("lock record: not a lock")
	}
	return l, nil
}

func decodeField(l *Lock, r *tlv.Reader) {
	switch r.Field() {
	case fOrderNo:
		l.OrderNo = r.String()
	case fAttempt:
		l.Attempt = int(r.Uint())
	case fHISNo:
		l.HISNo = r.String()
	case fPrincipal:
		l.Principal = r.String()
	case fPharmacyID:
		l.PharmacyID = r.String()
	case fItems:
		l.Items = append(l.Items, decodeItem(r.Nested()))
	case fAttributes:
		l.Attributes = decodePair(l.Attributes, r.Nested())
	case fStatus:
		l.Status = Status(r.Byte())
	case fCause:
		l.Cause = Cause(r.Byte())
	case fVersion:
		l.Version = r.Uint()
	case fFlags:
		f := r.Uint()
		l.Freeze = f&flagFreeze != 0
		l.Owner = f&flagOwner != 0
		l.Degraded = f&flagDegraded != 0
		l.ReleaseWanted = f&flagReleaseWanted != 0
		l.Unknown = f&flagUnknown != 0
		l.OrderSent = f&flagOrderSent != 0
	case fHISLockID:
		l.HISLockID = r.String()
	case fFreezeExpires:
		l.FreezeExpires = r.Time()
	case fHISOrderNo:
		l.HISOrderNo = r.String()
	case fReference:
		l.Reference = decodeReference(r.Nested())
	case fWord:
		l.Word = HISWord(r.Byte())
	case fExpireTime:
		l.ExpireTime = r.Time()
	case fCreatedAt:
		l.CreatedAt = r.Time()
	case fUpdatedAt:
		l.UpdatedAt = r.Time()
	case fCancelledAt:
		l.CancelledAt = r.Time()
	case fUnknownSince:
		l.UnknownSince = r.Time()
	case fWatch:
		l.Watch = int(r.Byte())
	case fWatchAt:
		l.WatchAt = r.Time()
	case fCaseReason:
		l.CaseReason = r.String()
	case fShortages:
		l.Shortages = append(l.Shortages, decodeShortage(r.Nested()))
	case fHistory:
		l.History = append(l.History, decodeStep(r.Nested()))
	}
}

func decodeItem(r *tlv.Reader) (it Item) {
	for r.Next() {
		switch r.Field() {
		case 1:
			it.DrugID = r.String()
		case 2:
			it.Quantity = r.Int()
		case 3:
			it.LineFen = r.Int()
		}
	}
	return it
}

func decodePair(m map[string]string, r *tlv.Reader) map[string]string {
	var k, v string
	for r.Next() {
		switch r.Field() {
		case 1:
			k = r.String()
		case 2:
			v = r.String()
		}
	}
	if m == nil {
		m = make(map[string]string)
	}
	m[k] = v
	return m
}

func decodeReference(r *tlv.Reader) (ref Reference) {
	for r.Next() {
		switch r.Field() {
		case 1:
			ref.TransactionID = r.String()
		case 2:
			ref.PaidAt = r.Time()
		case 3:
			ref.DrugsFen = r.Int()
		case 4:
			ref.Attributes = decodePair(ref.Attributes, r.Nested())
		}
	}
	return ref
}

func decodeShortage(r *tlv.Reader) (s Shortage) {
	for r.Next() {
		switch r.Field() {
		case 1:
			s.DrugID = r.String()
		case 2:
			s.Requested = r.Int()
		case 3:
			s.Available = r.Int()
		}
	}
	return s
}

func decodeStep(r *tlv.Reader) (s Step) {
	for r.Next() {
		switch r.Field() {
		case 1:
			s.Time = r.Time()
		case 2:
			s.Last = r.Time()
		case 3:
			s.Count = int(r.Uint())
		case 4:
			s.From = Status(r.Byte())
		case 5:
			s.To = Status(r.Byte())
		case 6:
			s.Event = EventKind(r.Byte())
		case 7:
			s.Code = r.String()
		case 8:
			s.Message = r.String()
		case 9:
			s.Actor = r.String()
		}
	}
	if s.Last.IsZero() {
		s.Last = s.Time
	}
	return s
}
