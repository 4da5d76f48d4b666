package server

import (
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

func toGuardState(s guard.State) *hisgatev1.GuardState {
	out := &hisgatev1.GuardState{
		Breaker:   toBreaker(s.Breaker),
		OpenUntil: stamp(s.OpenUntil), MaxConcurrent: int32(s.MaxConcurrent), InFlight: int32(s.InFlight),
		Lingering: int32(s.Lingering), Overdue: int32(s.Overdue), Limited: s.Limited,
		Retries: int64(s.Retries), RetriesDenied: int64(s.RetriesDenied), RetryTokens: s.RetryTokens, Suspects: int32(s.Suspects),
	}
	for _, c := range s.Classes {
		class := &hisgatev1.GuardState_Class{
			Name: c.Class.String(), Running: int32(c.Running), Queued: int32(c.Queued),
			Turns: int64(c.Turns), MinShare: c.MinShare, Rejected: map[string]int64{},
		}
		for cause, n := range c.Rejected {
			class.Rejected[string(cause)] = int64(n)
		}
		out.Classes = append(out.Classes, class)
	}
	for _, p := range s.Paused {
		out.Paused = append(out.Paused, &hisgatev1.GuardState_Paused{
			Op: p.Op, Until: stamp(p.Until), Code: p.Code, Message: p.Message,
		})
	}
	return out
}

func toStockCache(s *gateway.State) *hisgatev1.GuardState_StockCache {
	k := s.Cache
	out := &hisgatev1.GuardState_StockCache{
		Degraded: s.Degraded, Answers: map[string]int64{}, DegradedAnswers: map[string]int64{},
		Hits: int64(k.Hits), Loads: int64(k.Loads), LoadedKeys: int64(k.LoadedKeys), Waiters: int64(k.Waiters),
		Waiting: int32(k.Waiting), Keys: int32(k.Keys), MeanAge: durationpb.New(s.Answers.MeanAge()),
	}
	for source, n := range s.Answers.BySource {
		out.Answers[source.String()] = int64(n)
	}
	for use, n := range s.Answers.Degraded {
		out.DegradedAnswers[use.String()] = int64(n)
	}
	return out
}

func toBreaker(b guard.BreakerState) hisgatev1.GuardState_Breaker {
	return hisgatev1.GuardState_Breaker(hisgatev1.GuardState_Breaker_value[strings.ToUpper(string(b))])
}

// toRecovery says how far the recovery after a restore is; nil without a restore.
func toRecovery(s *gateway.State, o payflow.Recovery) *hisgatev1.GuardState_Recovery {
	if o.At.IsZero() {
		return nil
	}
	out := &hisgatev1.GuardState_Recovery{RestoredTime: stamp(o.At), Recovering: s.Recovering || o.Recovering}
	if !out.Recovering {
		out.AskFirstUntil = stamp(o.AskUntil)
		return out
	}
	out.LocksLeft, out.OrdersLeft = int64(s.Ledger.Asking), int64(o.Left)
	if o.Example != "" {
		out.WaitsFor = o.Example + ": " + o.Why
	}
	return out
}
