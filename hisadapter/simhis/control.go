package simhis

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hisgate/hisgate/hisadapter"
)

// Control does to a HIS behind HTTP what HIS's own methods do in process. Its
// methods block until the answer is there or ctx ended; a call that the
// simulator turned down is a *ControlError.
type Control struct {
	base   string
	client *http.Client
}

// NewControl returns a client for the control calls at baseURL. client may be
// nil.
func NewControl(baseURL string, client *http.Client) *Control {
	if client == nil {
		client = &http.Client{}
	}
	return &Control{base: strings.TrimRight(baseURL, "/"), client: client}
}

// SetStock is HIS.SetStock.
func (c *Control) SetStock(ctx context.Context, key hisadapter.Key, onHand int64) error {
	return c.post(ctx, "/sim/stock", wireSetStock{wireKey(key), onHand}, nil)
}

// SetDrug is HIS.SetDrug.
func (c *Control) SetDrug(ctx context.Context, d Drug) error {
	return c.post(ctx, "/sim/drug", wireDrug{d.ID, wireFacts(d.Facts)}, nil)
}

// Sell is Counter.Sell.
func (c *Control) Sell(ctx context.Context, key hisadapter.Key, n int64) (int64, error) {
	var out wireSold
	err := c.post(ctx, "/sim/sell", wireSell{wireKey(key), n}, &out)
	return out.Sold, err
}

// StartProgram is Counter.Start.
func (c *Control) StartProgram(ctx context.Context, p Program) (int, error) {
	var out wireID
	err := c.post(ctx, "/sim/programs", wireProgram{wireKey(p.Key), p.Quantity, span(p.Every), p.Times}, &out)
	return out.ID, err
}

// StopProgram is Counter.Stop.
func (c *Control) StopProgram(ctx context.Context, id int) error {
	return c.post(ctx, "/sim/programs/stop", wireID{id}, nil)
}

// Inject is HIS.Inject.
func (c *Control) Inject(ctx context.Context, f Fault) (int, error) {
	var out wireID
	err := c.post(ctx, "/sim/faults", f.wire(), &out)
	return out.ID, err
}

// Disarm is HIS.Disarm.
func (c *Control) Disarm(ctx context.Context, id int) error {
	return c.post(ctx, "/sim/faults/disarm", wireID{id}, nil)
}

// ClearFaults is HIS.ClearFaults.
func (c *Control) ClearFaults(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/sim/faults", nil, nil)
}

// Lapse is HIS.Lapse.
func (c *Control) Lapse(ctx context.Context, hisNo string) (bool, error) {
	var out wireLapsed
	err := c.post(ctx, "/sim/lapse", wireLapse{hisNo}, &out)
	return out.Lapsed, err
}

// SetDown is HIS.SetDown.
func (c *Control) SetDown(ctx context.Context, down bool) error {
	return c.post(ctx, "/sim/down", wireDown{down}, nil)
}

// SetPace is HIS.SetPace.
func (c *Control) SetPace(ctx context.Context, p Pace) error {
	return c.post(ctx, "/sim/pace", wirePace{span(p.Latency), span(p.Jitter), p.Limit, span(p.Linger)}, nil)
}

// Books is HIS.Books.
func (c *Control) Books(ctx context.Context) (Books, error) {
	var out wireBooks
	err := c.call(ctx, http.MethodGet, "/sim/books", nil, &out)
	return out.books(), err
}

// Counters is HIS.Counters.
func (c *Control) Counters(ctx context.Context) (Counters, error) {
	var out Counters
	err := c.call(ctx, http.MethodGet, "/sim/counters", nil, &out)
	return out, err
}

// Capabilities is HIS.Capabilities, to hand to Dial.
func (c *Control) Capabilities(ctx context.Context) (hisadapter.Capabilities, error) {
	var out wireCapabilities
	err := c.call(ctx, http.MethodGet, "/sim/capabilities", nil, &out)
	return out.capabilities(), err
}

func (c *Control) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, path, body, out)
}

// maxControl bounds an answer: the books of a long simulation are large.
const maxControl = 256 << 20

func (c *Control) call(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("simhis control: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxControl))
	if err != nil {
		return fmt.Errorf("simhis control: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return controlError(resp.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("simhis control: %w", err)
	}
	return nil
}
