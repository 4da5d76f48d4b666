package traced

import (
	"context"
	"errors"

	"github.com/hisgate/hisgate/internal/span"
	"github.com/hisgate/hisgate/payflow"
)

// Channel marks the calls of c. Results and errors are c's.
func Channel(c payflow.PayChannel) payflow.PayChannel { return &channel{c} }

// channel passes on what sends nothing.
type channel struct{ payflow.PayChannel }

func begin(ctx context.Context, op, orderNo string) (context.Context, span.Span) {
	ctx, s := span.Begin(ctx, "WeChat "+op)
	if orderNo != "" {
		s.Text("order_no", orderNo)
	}
	return ctx, s
}

// end tells how the call came out: WeChat's code, never its words.
func end(s span.Span, err error) {
	if !s.On() {
		return
	}
	outcome := "done"
	if err != nil {
		outcome = payflow.ChannelUnknown.String()
	}
	if e, ok := errors.AsType[*payflow.ChannelError](err); ok {
		outcome = e.Outcome.String()
		s.Text("code", e.Code)
		s.Number("status", e.Status)
	}
	s.Text("outcome", outcome)
	s.End(err != nil && outcome != payflow.ChannelRefused.String())
}

// Prepay implements payflow.PayChannel.
func (c *channel) Prepay(ctx context.Context, m payflow.Method, body []byte) (payflow.Prepay, error) {
	ctx, s := begin(ctx, "prepay", "")
	s.Text("method", string(m))
	p, err := c.PayChannel.Prepay(ctx, m, body)
	end(s, err)
	return p, err
}

// Query implements payflow.PayChannel.
func (c *channel) Query(ctx context.Context, orderNo string) (payflow.Transaction, error) {
	ctx, s := begin(ctx, "query", orderNo)
	t, err := c.PayChannel.Query(ctx, orderNo)
	if err == nil {
		s.Text("state", string(t.State))
	}
	end(s, err)
	return t, err
}

// QueryTransaction implements payflow.PayChannel.
func (c *channel) QueryTransaction(ctx context.Context, transactionID string) (payflow.Transaction, error) {
	ctx, s := begin(ctx, "query transaction", "")
	t, err := c.PayChannel.QueryTransaction(ctx, transactionID)
	if err == nil {
		s.Text("state", string(t.State))
	}
	end(s, err)
	return t, err
}

// Close implements payflow.PayChannel.
func (c *channel) Close(ctx context.Context, orderNo string) error {
	ctx, s := begin(ctx, "close", orderNo)
	err := c.PayChannel.Close(ctx, orderNo)
	end(s, err)
	return err
}

// Refund implements payflow.PayChannel.
func (c *channel) Refund(ctx context.Context, r payflow.RefundIntent) (payflow.RefundAnswer, error) {
	ctx, s := begin(ctx, "refund", r.OrderNo)
	a, err := c.PayChannel.Refund(ctx, r)
	if err == nil {
		s.Text("state", string(a.State))
	}
	end(s, err)
	return a, err
}

// QueryRefund implements payflow.PayChannel.
func (c *channel) QueryRefund(ctx context.Context, outRefundNo string) (payflow.RefundAnswer, error) {
	ctx, s := begin(ctx, "query refund", "")
	a, err := c.PayChannel.QueryRefund(ctx, outRefundNo)
	if err == nil {
		s.Text("state", string(a.State))
	}
	end(s, err)
	return a, err
}
