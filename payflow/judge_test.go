package payflow

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// panicky breaks when the prescriptions are looked through.
type panicky struct{ engine.Engine }

func (p panicky) Scan(from, to []byte, f func(k, v []byte) error) error {
	if strings.HasPrefix(string(from), prefixRx) {
		panic("scan")
	}
	return p.Engine.Scan(from, to, f)
}

// A panic while an order judges what orders share must not stop the others: late
// money looks for its prescription under the judge's lock.
func TestPanicLeavesNothingLocked(t *testing.T) {
	c := engine.NewCommitter(panicky{memengine.New(memengine.Options{})}, engine.CommitterOptions{})
	defer func() { _ = c.Close() }()
	s, err := Open(t.Context(), Options{Committer: c, Locks: struct{ Locks }{}, Settings: Default()})
	if err != nil {
		t.Fatal(err)
	}
	data, err := encodeOrder(&Order{
		No: "ORDER-1", State: Closed, Strategy: Reserve, Version: 1, Priced: true, Amount: Amount{DrugsFen: 7, TotalFen: 7},
		Attributes: map[string]string{attributeRx: "RX-1"}, Lock: LockRecord{Settled: true}, UpdatedAt: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Append(engine.Write{Key: keyEnded("ORDER-1"), Value: data}).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.take(t.Context(), &letter{Payment: &Transaction{
		OrderNo: "ORDER-1", TransactionID: "tx-1", State: TradeSuccess, TotalFen: 7,
	}}); err != nil {
		t.Fatal(err)
	}
	if err := s.advance(t.Context(), "ORDER-1", poolLocal); err == nil || errors.Is(err, ErrStopped) || !strings.Contains(err.Error(), "panic: scan") {
		t.Fatalf("%v", err)
	}
	if !s.judge.TryLock() {
		t.Fatal("the judge stays locked: no order can be committed any more")
	}
	s.judge.Unlock()
	if _, err := s.keys.lock(t.Context(), "ORDER-1"); err != nil {
		t.Error(err)
	}
}
