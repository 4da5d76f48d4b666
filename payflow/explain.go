package payflow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hisgate/hisgate/lockstore/engine"
)

// Explain tells an order's life in order of time, in both languages, with the
// patient's identifiers masked. Errors: ErrNotFound.
func (s *Service) Explain(ctx context.Context, orderNo string) (Story, error) {
	o, err := s.Get(ctx, "", orderNo)
	if err != nil {
		return Story{}, err
	}
	story, err := tell(&o, s.findCase)
	if err != nil {
		return Story{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[orderNo]; e != nil {
		for _, l := range e.mail {
			story.waits(l)
		}
	}
	return story, nil
}

// waits tells of a notice that the order has not taken yet.
func (s *Story) waits(l *letter) {
	w := Words{ZH: "微信退款回调已收到，待处理", EN: "a callback of WeChat about a refund waits to be taken"}
	topic, what := "refund", ""
	if p := l.Payment; p != nil {
		w = Words{ZH: "微信支付回调已收到，待处理", EN: "a callback of WeChat about the payment waits to be taken"}
		topic, what = "payment", fmt.Sprintf("%s, %d fen, %s", p.State, p.TotalFen, p.TransactionID)
	} else {
		what = fmt.Sprintf("%s, %d fen, %s", l.Refund.State, l.Refund.RefundFen, l.Refund.OutRefundNo)
	}
	s.Lines = append(s.Lines, StoryLine{At: l.At, Topic: topic, Words: Words{ZH: w.ZH + "：" + what, EN: w.EN + ": " + what}})
}

// ReadStory is Explain for a folder that nobody works on. Errors: ErrNotFound,
// *FormatError, or what the storage says.
func ReadStory(r engine.Reader, orderNo string) (Story, error) {
	for _, at := range []place{placeActive, placeEnded} {
		key := at.key(orderNo)
		data, err := r.Get(key)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return Story{}, err
		}
		o, err := decodeOrder(key, data)
		if err != nil {
			return Story{}, err
		}
		story, err := tell(o, func(id string) (*Case, error) { return readCase(r, id) })
		if err != nil {
			return Story{}, err
		}
		err = r.Scan([]byte(prefixInbox), after(prefixInbox), func(key, value []byte) error {
			l := &letter{}
			if err := json.Unmarshal(value, l); err != nil {
				return &FormatError{Key: string(key), Err: err}
			}
			if (l.Payment != nil || l.Refund != nil) && l.orderNo() == orderNo {
				story.waits(l)
			}
			return nil
		})
		return story, err
	}
	return Story{}, ErrNotFound
}

// readCase returns a case as it is stored, nil when there is none.
func readCase(r engine.Reader, id string) (*Case, error) {
	for _, key := range [][]byte{keyOld(id), keyCase(id)} { // it may be closing just now
		data, err := r.Get(key)
		switch {
		case err == nil:
			return decodeCase(key, data)
		case !errors.Is(err, engine.ErrNotFound):
			return nil, err
		}
	}
	return nil, nil
}

// tell puts the story of an order together, and takes out what names the patient.
func tell(o *Order, find func(id string) (*Case, error)) (Story, error) {
	o.Invoke = nil
	if o.Terms != nil {
		o.Terms.OpenID, o.Terms.ClientIP = maskID(o.Terms.OpenID), maskID(o.Terms.ClientIP)
	}
	if o.Prepay != nil {
		o.Prepay.Body = nil // it carries the openid
	}
	story := Story{Order: *o, Now: nowWords(o)}
	for i := range o.History {
		story.Lines = append(story.Lines, historyLine(&o.History[i]))
	}
	for i := range o.Refunds {
		story.Lines = append(story.Lines, refundLines(&o.Refunds[i])...)
	}
	for _, id := range o.caseIDs() {
		c, err := find(id)
		if err != nil {
			return Story{}, err
		}
		if c != nil {
			story.Lines = append(story.Lines, caseLines(c)...)
			story.Cases = append(story.Cases, *dress(c, o))
		}
	}
	slices.SortStableFunc(story.Lines, func(a, b StoryLine) int { return a.At.Compare(b.At) })
	return story, nil
}

func historyLine(h *HistoryEntry) StoryLine {
	text := h.Event
	if h.To != "" {
		text = fmt.Sprintf("%s → %s (%s)", cmp.Or(string(h.From), "–"), h.To, h.Event)
	}
	if h.Detail != "" {
		text += ": " + h.Detail
	}
	if h.Actor != "" {
		text += " [" + h.Actor + "]"
	}
	zh, en := text, text
	if w := eventWords(h.Event); w.EN != "" {
		zh, en = w.ZH+"："+text, w.EN+": "+text
	}
	if h.Count > 1 {
		en += fmt.Sprintf(", %d times until %s", h.Count, h.LastAt.Format("15:04:05"))
		zh += fmt.Sprintf("，共 %d 次，至 %s", h.Count, h.LastAt.Format("15:04:05"))
	}
	topic := "order"
	switch {
	case strings.Contains(h.Event, "REFUND"):
		topic = "refund"
	case strings.Contains(h.Event, "PAID") || strings.Contains(h.Event, "PREPAY"):
		topic = "payment"
	}
	return StoryLine{At: h.At, Topic: topic, Words: Words{ZH: zh, EN: en}}
}

func refundLines(r *RefundRecord) []StoryLine {
	var lines []StoryLine
	if !r.AcceptedAt.IsZero() {
		lines = append(lines, StoryLine{At: r.AcceptedAt, Topic: "refund", Words: Words{
			ZH: "微信受理退款 " + r.OutRefundNo + "，" + yuan(r.Fen) + " 元",
			EN: "WeChat accepted refund " + r.OutRefundNo + " of " + yuan(r.Fen) + " yuan",
		}})
	}
	return lines
}

func caseLines(c *Case) []StoryLine {
	text := reasonText(c.Reason)
	lines := []StoryLine{{At: c.OpenedAt, Topic: "case", Words: Words{
		ZH: "开立 " + c.ID + "：" + text.ZH, EN: "case " + c.ID + " opened: " + text.EN,
	}}}
	for _, a := range c.Audit {
		what := string(a.Verb)
		if what == "" {
			what = a.Note
		}
		lines = append(lines, StoryLine{At: a.At, Topic: "case", Words: Words{
			ZH: c.ID + " " + a.Actor + "：" + what + " " + a.Next.ZH, EN: c.ID + " " + a.Actor + ": " + what + " " + a.Next.EN,
		}})
	}
	return lines
}

// nowWords says where the order stands, what is in its way and what comes next.
func nowWords(o *Order) Words {
	w := o.Message()
	if t := o.Trouble; t != nil {
		w.ZH += fmt.Sprintf("（%s：%s %s，自 %s 起 %d 次）", t.Op, t.Kind, t.Code, t.Since.Format("15:04:05"), t.Count)
		w.EN += fmt.Sprintf(" (%s: %s %s, %d times since %s)", t.Op, t.Kind, t.Code, t.Count, t.Since.Format("15:04:05"))
	}
	if len(o.OpenCases) > 0 {
		w.ZH += " 待人工：" + strings.Join(o.OpenCases, "、") + "。"
		w.EN += " Waits for a person: " + strings.Join(o.OpenCases, ", ") + "."
	}
	return w
}
