package httphis

import (
	"testing"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// The memory for facts is bounded: who was silent longest makes room.
func TestFactsMakeRoom(t *testing.T) {
	ratio, err := units.ParseRatio("24")
	if err != nil {
		t.Fatal(err)
	}
	s := newFactStore(2)
	at := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	key := func(drug string) hisadapter.Key { return hisadapter.Key{PharmacyID: "P", DrugID: drug} }
	for i, drug := range []string{"A", "B", "A", "C"} {
		s.put(key(drug), &lineFacts{ratio: ratio}, at.Add(time.Duration(i)*time.Minute))
	}
	if f, _ := s.get(key("B"), at); f != nil || s.ratioOf("B").IsSet() {
		t.Error("B is remembered beyond the bound")
	}
	for _, drug := range []string{"A", "C"} {
		if f, fresh := s.get(key(drug), at); f == nil || !fresh || !s.ratioOf(drug).IsSet() {
			t.Errorf("%s is forgotten", drug)
		}
	}
	if _, fresh := s.get(key("A"), at.Add(150*time.Second)); fresh {
		t.Error("A passes for fresher than it is")
	}
	if len(s.drugs) != 2 || s.order.Len() != 2 || len(s.ratios) != 2 {
		t.Errorf("%d drugs, %d in order, %d ratios", len(s.drugs), s.order.Len(), len(s.ratios))
	}
}
