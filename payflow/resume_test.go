package payflow_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
)

// [D6] A process that dies after the limit was opened, and before all refunds went on:
// the repeat of the request goes on with them, and does not say that none is left.
func TestD6ResumeGoesOnAfterACrash(t *testing.T) {
	for dies := int64(1); dies <= 6; dies++ {
		t.Run(fmt.Sprint("at durable step ", dies), func(t *testing.T) {
			var h *house
			var left atomic.Int64 // durable steps until the disk fails
			inDisk(t, memengine.Options{Sync: func() {
				if left.Add(-1) == 0 {
					h.disk.FailNext(memengine.Fault{})
				}
			}}, func(in *house) {
				h = in
				h.pay.answerRefunds(payflow.RefundSuccess)
				for i := range 4 {
					h.goneOrder(fmt.Sprintf("ORDER-%d", i))
				}
				h.is("ORDER-2", payflow.NeedsAttention)
				r := payflow.ResumeRequest{Etag: h.svc.Stats().Brake.Etag, RequestID: "r1", Actor: "boss"}
				left.Store(dies)
				if _, err := h.svc.ResumeRefunds(h.Context(), r); err == nil && dies < 3 {
					t.Error("it did not die")
				}
				left.Store(-1)
				h.crash()
				if a, err := h.svc.ResumeRefunds(h.Context(), r); err != nil || a.Remaining != 0 {
					t.Fatalf("%+v, %v", a, err)
				}
				h.wait(time.Hour)
				for i := range 4 {
					h.is(fmt.Sprintf("ORDER-%d", i), payflow.Refunded)
				}
				if got := h.pay.sentRefunds(); len(got) != 4 {
					t.Errorf("refunds %v", got)
				}
				h.noCases()
			}, func(s *payflow.Settings) { s.AutoRefundsPerHour = 2 })
		})
	}
}
