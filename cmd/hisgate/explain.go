package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

type explainCmd struct {
	sourceFlags `embed:""`
	outputFlags `embed:""`

	OrderNo string `arg:"" help:"The order, or the lock."`
}

// Run prints the story.
func (c *explainCmd) Run(ctx context.Context) error {
	var story *hisgatev1.Explanation
	var err error
	if c.DataDir != "" {
		err = c.read(ctx, func(ctx context.Context, f *badgerengine.Folder) (err error) {
			story, err = server.Explain(ctx, folderTales{f}, "", c.OrderNo)
			if errors.Is(err, payflow.ErrNotFound) {
				return errors.New(c.say("NOT_FOUND: 没有这个订单", "NOT_FOUND: no such order or lock"))
			}
			return err
		})
	} else {
		err = c.ask(ctx, answerTime, func(ctx context.Context, ops hisgatev1.OpsServiceClient) (err error) {
			if story, err = ops.Explain(ctx, &hisgatev1.ExplainRequest{OrderNo: c.OrderNo}); err != nil {
				return c.failed(c.Server, err)
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(story)
	}
	return c.tell(os.Stdout, story)
}

// folderTales reads stories in a folder that nobody works on.
type folderTales struct{ folder *badgerengine.Folder }

// Attempts implements server.Tales.
func (t folderTales) Attempts(_ context.Context, orderNo string) ([]lockstore.Lock, error) {
	return lockstore.ReadAttempts(t.folder, orderNo)
}

// Story implements server.Tales.
func (t folderTales) Story(_ context.Context, orderNo string) (payflow.Story, error) {
	return payflow.ReadStory(t.folder, orderNo)
}

// tell prints the story: what it is about, what happened, where it stands.
func (c *explainCmd) tell(out io.Writer, s *hisgatev1.Explanation) error {
	var b strings.Builder
	line := func(zh, en, format string, args ...any) {
		fmt.Fprintf(&b, "%s "+format+"\n", append([]any{c.say(zh, en)}, args...)...)
	}
	if o := s.GetOrder(); o != nil {
		line("订单", "order", "%s  %s  %s  %s %s", o.GetOrderNo(), o.GetStatus(), o.GetStrategy(), inYuan(o.GetAmount().GetTotalFen()), c.say("元", "yuan"))
	}
	for _, l := range s.GetLocks() {
		var items []string
		for _, it := range l.GetItems() {
			items = append(items, fmt.Sprintf("%s×%d", it.GetDrugId(), it.GetQuantity()))
		}
		line("锁定", "lock", "%s  %s  %s  %s", l.GetHisNo(), l.GetStatus(), l.GetPharmacyId(), strings.Join(items, " "))
		if l.GetHisLockId() != "" || l.GetHisOrderNo() != "" {
			line("  HIS", "  HIS", "%s %s", l.GetHisLockId(), l.GetHisOrderNo())
		}
	}
	b.WriteString("\n")
	for _, l := range s.GetLines() {
		fmt.Fprintf(&b, "%s  %-7s  %s\n", clock(l.GetTime()), c.topic(l.GetTopic()), c.words(l.GetWords()))
	}
	b.WriteString("\n")
	line("现状", "now", "%s", c.words(s.GetNow()))
	for _, k := range s.GetCases() {
		line("个案", "case", "%s  %s  %s  %s", k.GetCaseId(), k.GetStatus(), k.GetReason(), c.words(k.GetMessage()))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// topic names what a line is about, in four characters or less.
func (c *explainCmd) topic(name string) string {
	if !c.chinese() {
		return name
	}
	switch name {
	case "order":
		return "订单"
	case "payment":
		return "支付"
	case "refund":
		return "退款"
	case "case":
		return "个案"
	case "lock":
		return "锁定"
	default:
		return name
	}
}
