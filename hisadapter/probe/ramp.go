package probe

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// noise is a latency below which doubling says nothing about the HIS.
const noise = 50 * time.Millisecond

// ramp reads with more and more at once, until the ceiling, the first refusal, or
// twice the latency of one at a time.
func (p *probe) ramp(ctx context.Context) {
	name := Text{"并发（只读）", "reads at once"}
	if p.MaxConcurrency == 0 {
		p.skip(name, Text{"未要求", "not asked for"})
		return
	}
	if p.Crowd != nil {
		p.Crowd()
	}
	p.try(ctx, name, func(s *Step) {
		alone, err := p.crowd(ctx, 1)
		if err != nil {
			s.failed(err)
			return
		}
		bound := max(2*alone, noise)
		p.report.Borne = 1
		s.Found = Text{fmt.Sprintf("到 %d 都可", p.MaxConcurrency), fmt.Sprintf("up to %d are borne", p.MaxConcurrency)}
		for n := 2; n <= p.MaxConcurrency; n++ {
			if p.Wait(ctx, 200*time.Millisecond) != nil {
				s.end(Noted, Text{"中断", "cut short"})
				return
			}
			took, err := p.crowd(ctx, n)
			switch {
			case err != nil:
				s.end(Noted, Text{
					fmt.Sprintf("%d 可；%d 时：%v", p.report.Borne, n, err), fmt.Sprintf("%d are borne; at %d: %v", p.report.Borne, n, err),
				})
				return
			case took > bound:
				s.end(Noted, Text{
					fmt.Sprintf("%d 可；%d 时延迟由 %s 到 %s", p.report.Borne, n, alone.Round(time.Millisecond), took.Round(time.Millisecond)),
					fmt.Sprintf("%d are borne; at %d the latency goes from %s to %s", p.report.Borne, n, alone.Round(time.Millisecond), took.Round(time.Millisecond)),
				})
				return
			}
			p.report.Borne = n
		}
	})
}

// crowd reads n times at once, twice over. It returns the median latency, and the
// first error.
func (p *probe) crowd(ctx context.Context, n int) (time.Duration, error) {
	var (
		mu    sync.Mutex
		took  []time.Duration
		first error
	)
	begun := p.Now()
	for range 2 {
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, p.Timeout)
				defer cancel()
				begun := p.Now()
				_, err := p.Driver.QueryStock(ctx, []hisadapter.Key{p.key})
				mu.Lock()
				defer mu.Unlock()
				took = append(took, p.Now().Sub(begun))
				if first == nil {
					first = err
				}
			})
		}
		wg.Wait()
	}
	if p.Exchanges != nil {
		p.Exchanges() // too many to show one by one
	}
	slices.Sort(took)
	median := took[len(took)/2]
	p.current.Calls = append(p.current.Calls, Call{
		Sent: fmt.Sprintf("query_stock %s, 2×%d", p.key.DrugID, n), Back: hisadapter.OutcomeOf(first).String(), Took: p.Now().Sub(begun) / 2,
	})
	return median, first
}
