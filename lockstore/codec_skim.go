package lockstore

import "github.com/hisgate/hisgate/lockstore/internal/tlv"

// maxNames bounds the names that a skimmer remembers.
const maxNames = 1 << 16

// skimmer reads of many records what the memory keeps of a lock, and checks the
// rest. Decoding them whole would be half of an opening's work. It is used by one
// goroutine.
type skimmer struct {
	names map[string]string // principals, pharmacies and drugs, which many locks share
	attrs map[string]string // thrown away
}

// skim reads a record into l, of which it uses the memory of the items and of the
// history again. What l lacks afterwards: numbers of the HIS, attributes, reference,
// shortages, and of the history all but the time of its first step. It fails where
// decodeLock fails.
func (s *skimmer) skim(rec []byte, l *Lock) error {
	if s.names == nil {
		s.names, s.attrs = make(map[string]string), make(map[string]string)
	}
	return decodeFields(rec, l, func(l *Lock, r *tlv.Reader) {
		switch r.Field() {
		case fPrincipal:
			l.Principal = s.name(r.Bytes())
		case fPharmacyID:
			l.PharmacyID = s.name(r.Bytes())
		case fItems:
			l.Items = append(l.Items, s.item(r.Nested()))
		case fHISNo, fHISLockID, fHISOrderNo:
			r.Bytes()
		case fAttributes:
			decodePair(s.attrs, r.Checked())
		case fReference:
			decodeReference(r.Checked())
		case fShortages:
			decodeShortage(r.Checked())
		case fHistory:
			if step := decodeStep(r.Checked()); len(l.History) == 0 {
				l.History = append(l.History, Step{Time: step.Time})
			}
		default:
			decodeField(l, r)
		}
	})
}

func (s *skimmer) item(r *tlv.Reader) (it Item) {
	for r.Next() {
		switch r.Field() {
		case 1:
			it.DrugID = s.name(r.Bytes())
		case 2:
			it.Quantity = r.Int()
		case 3:
			it.LineFen = r.Int()
		}
	}
	return it
}

// name returns a text that others may have, too.
func (s *skimmer) name(b []byte) string {
	if known, ok := s.names[string(b)]; ok {
		return known
	}
	name := string(b)
	if len(s.names) < maxNames {
		s.names[name] = name
	}
	return name
}
