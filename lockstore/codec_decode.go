package lockstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/hisgate/hisgate/lockstore/internal/tlv"
)

var errNewerFormat = errors.New("the record was written by a newer hisgate")

// decodeLock reads a stored lock. The result shares no memory with rec. It fails
// on a record that is cut, garbled, or of a newer format.
func decodeLock(rec []byte) (*Lock, error) {
	l := new(Lock)
	if err := decodeFields(rec, l, decodeField); err != nil {
		return nil, err
	}
	return l, nil
}

// decodeFields gives the fields of a record to decode, one after the other, and
// says whether they are those of a lock.
func decodeFields(rec []byte, l *Lock, decode func(*Lock, *tlv.Reader)) error {
	var version uint64
	r := tlv.NewReader(rec)
	for r.Next() {
		if r.Field() == fVersionOfFormat {
			version = r.Uint()
			continue
		}
		decode(l, r)
	}
	switch {
	case r.Err() != nil:
		return fmt.Errorf("lock record: %w", r.Err())
	case version > formatVersion:
		return fmt.Errorf("lock record of format %d: %w", version, errNewerFormat)
	case version == 0 || l.OrderNo == "" || l.Status == 0 || l.Status > Released:
		return errors.New("lock record: not a lock")
	}
	return nil
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
		l.FreezeDoubt = f&flagFreezeDoubt != 0
		l.AskFirst = f&flagAskFirst != 0
	case fHISLockID:
		l.HISLockID = r.String()
	case fFreezeFrom:
		l.FreezeFrom = r.Time()
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
	case fMadeFrom:
		l.MadeFrom = time.Duration(r.Int())
	case fUpdatedAt:
		l.UpdatedAt = r.Time()
	case fCancelledAt:
		l.CancelledAt = r.Time()
	case fUnknownSince:
		l.UnknownSince = r.Time()
	case fUnknownFrom:
		l.UnknownFrom = time.Duration(r.Int())
	case fWatch:
		l.Watch = int(r.Byte())
	case fWatchAt:
		l.WatchAt = r.Time()
	case fCaseReason:
		l.CaseReason = r.String()
	case fRecalledFor:
		l.RecalledFor = r.Time()
	case fCaseKind:
		l.CaseKind = CaseKind(r.Byte())
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
