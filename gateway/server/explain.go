package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// Tales is where the story of an order_no is read: a running hisgate, or a folder
// that nobody works on.
type Tales interface {
	// Attempts returns all locks of an order_no; a tombstone where there is
	// nothing else.
	Attempts(ctx context.Context, orderNo string) ([]lockstore.Lock, error)
	// Story returns the order's story. Errors: payflow.ErrNotFound,
	// payflow.ErrDisabled.
	Story(ctx context.Context, orderNo string) (payflow.Story, error)
}

// Explain tells the order's story and that of each of its locks, in order of
// time. duty owns the cases of locks. Errors: payflow.ErrNotFound, and those of
// the tales.
func Explain(ctx context.Context, t Tales, duty, orderNo string) (*hisgatev1.Explanation, error) {
	locks, err := t.Attempts(ctx, orderNo)
	if err != nil {
		return nil, err
	}
	out := &hisgatev1.Explanation{OrderNo: orderNo, Locks: toLocks(locks)}
	cases := lockCases{owner: duty}
	for i := range locks {
		out.Lines = append(out.Lines, lockLines(&locks[i])...)
		if wasCase(&locks[i]) {
			out.Cases = append(out.Cases, cases.show(&locks[i]))
		}
	}
	story, err := t.Story(ctx, orderNo)
	switch {
	case err == nil:
		out.Order, out.Now = toOrder(&story.Order), words(story.Now)
		for _, l := range story.Lines {
			out.Lines = append(out.Lines, &hisgatev1.Explanation_Line{Time: stamp(l.At), Topic: l.Topic, Words: words(l.Words)})
		}
		for i := range story.Cases {
			out.Cases = append(out.Cases, toCase(&story.Cases[i], payflow.Words{}))
		}
	case !disabled(err) && !errors.Is(err, payflow.ErrNotFound):
		return nil, err
	case len(locks) == 0:
		return nil, payflow.ErrNotFound
	default:
		out.Now = lockNow(&locks[len(locks)-1])
	}
	slices.SortStableFunc(out.GetLines(), func(a, b *hisgatev1.Explanation_Line) int {
		return a.GetTime().AsTime().Compare(b.GetTime().AsTime())
	})
	return out, nil
}

// Explain implements OpsService.
func (s *opsService) Explain(ctx context.Context, r *hisgatev1.ExplainRequest) (*hisgatev1.Explanation, error) {
	return Explain(ctx, s, s.locks.owner, r.GetOrderNo())
}

// Story implements Tales.
func (s *opsService) Story(ctx context.Context, orderNo string) (payflow.Story, error) {
	return s.orders.Explain(ctx, orderNo)
}

// Attempts implements Tales.
func (s *opsService) Attempts(ctx context.Context, no string) ([]lockstore.Lock, error) {
	locks, err := s.gw.Attempts(ctx, no)
	if err != nil || len(locks) > 0 {
		return locks, err
	}
	l, err := s.gw.GetLock(ctx, "", no)
	switch {
	case errors.Is(err, lockstore.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return []lockstore.Lock{l}, nil
	}
}

func lockLines(l *lockstore.Lock) []*hisgatev1.Explanation_Line {
	var out []*hisgatev1.Explanation_Line
	for i := range l.History {
		s := &l.History[i]
		text := s.Event.String()
		if s.From != s.To {
			from := "–"
			if s.From != 0 {
				from = s.From.String()
			}
			text = fmt.Sprintf("%s → %s (%s)", from, s.To, s.Event)
		}
		if said := strings.TrimSpace(s.Code + " " + s.Message); said != "" {
			text += ": " + said
		}
		if s.Actor != "" {
			text += " [" + s.Actor + "]"
		}
		w := stepWords(s.Event)
		zh, en := l.HISNo+" "+w.ZH+"："+text, l.HISNo+" "+w.EN+": "+text
		if s.Count > 1 {
			zh += fmt.Sprintf("，共 %d 次", s.Count)
			en += fmt.Sprintf(", %d times", s.Count)
		}
		out = append(out, &hisgatev1.Explanation_Line{
			Time: stamp(s.Time), Topic: "lock", Words: words(payflow.Words{ZH: zh, EN: en}),
		})
	}
	return out
}

// lockNow says where a lock without an order stands.
func lockNow(l *lockstore.Lock) *hisgatev1.Text {
	w := payflow.Words{ZH: "锁定状态：" + l.Status.String() + "。", EN: "The lock is " + l.Status.String() + "."}
	if l.Unknown {
		w.ZH += "HIS 的结果未知，正在查证。"
		w.EN += " The outcome of a call to the HIS is unknown and being found out."
	}
	if l.CaseReason != "" {
		w.ZH += "待人工处理：" + l.CaseReason + "。"
		w.EN += " A person must settle it: " + l.CaseReason + "."
	}
	return words(w)
}
