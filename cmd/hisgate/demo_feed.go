package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/hisgate/hisgate/hisadapter/feed"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// The story of the feed: so many patients, each with a drug of their own. A second
// of it takes a tenth of one.
const (
	feedPatients = 30
	feedSecond   = 100 * time.Millisecond
)

// feedRow is what became of the patients of one hospital.
type feedRow struct {
	Name      string `json:"name"`
	Orders    int    `json:"orders"`
	Refused   int    `json:"refused_before_payment"`
	Refunded  int    `json:"paid_then_refunded"`
	Fulfilled int    `json:"fulfilled"`

	hospital *hospital
	post     *poster // nil = nobody tells hisgate of sales
}

// feedStory plays the same minute in three hospitals whose shops trust the figure
// they have (REFUND): a copy of every five minutes, the 10-second cache, and the
// cache with a feed.
func (d *demo) feedStory(ctx context.Context, dir string) ([]*feedRow, error) {
	d.say("09:00  each page shows 10. 09:01  the counter sells 8 of each drug. Within the next minute 30 patients order 3, one of each drug, and pay.",
		"09:00  页面都显示 10。09:01  窗口把每种药各卖出 8 盒。此后一分钟内，30 位患者各下单 3 盒并付款。")
	copied := func(s *settings) {
		s.gateway.Cache.MaxAge, s.gateway.Cache.Jitter = 300*feedSecond, 0
	}
	cached := func(s *settings) {
		s.gateway.Cache.MaxAge, s.gateway.Cache.Jitter = 10*feedSecond, 0
	}
	rows := []*feedRow{{Name: "copied_every_5_min"}, {Name: "cache_10_s"}, {Name: "feed"}}
	var wg sync.WaitGroup
	errs := make([]error, len(rows))
	for i, r := range rows {
		pace := cached
		if r.Name == "copied_every_5_min" {
			pace = copied
		}
		var err error
		if err = r.open(filepath.Join(dir, r.Name), pace); err != nil {
			return nil, err
		}
		defer r.hospital.close()
		wg.Go(func() { errs[i] = r.play(ctx) })
	}
	wg.Wait()
	return rows, errors.Join(errs...)
}

func (r *feedRow) open(dir string, pace func(*settings)) (err error) {
	var edit []func(*Config)
	if r.Name == "feed" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if r.post, err = newPoster(dir); err != nil {
			return err
		}
		edit = append(edit, r.post.configure)
	}
	r.hospital, err = openHospital(dir, false, Listen{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0", Ops: "127.0.0.1:0"}, func(s *settings) {
		quickTime(s)
		s.orders.RefundWindow = time.Minute
		s.orders.AutoRefundsPerHour = feedPatients
		pace(s)
	}, edit...)
	return err
}

func (r *feedRow) play(ctx context.Context) error {
	var wg sync.WaitGroup
	ends := make([]hisgatev1.Order_Status, feedPatients)
	errs := make([]error, feedPatients)
	for i := range feedPatients {
		wg.Go(func() { ends[i], errs[i] = r.patient(ctx, i) })
	}
	wg.Wait()
	for i, end := range ends {
		if errs[i] != nil {
			return fmt.Errorf("%s: patient %d: %w", r.Name, i, errs[i])
		}
		r.Orders++
		switch end {
		case hisgatev1.Order_REJECTED:
			r.Refused++
		case hisgatev1.Order_REFUNDED:
			r.Refunded++
		case hisgatev1.Order_FULFILLED:
			r.Fulfilled++
		}
	}
	return nil
}

// patient i has a page that was read up to nine seconds before the sale, and
// orders up to a minute after it.
func (r *feedRow) patient(ctx context.Context, i int) (hisgatev1.Order_Status, error) {
	h, drug, no := r.hospital, fmt.Sprintf("0008%04d", i), fmt.Sprintf("FEED-%s-%02d", uuid.NewString()[:8], i)
	if err := h.shelve(drug, "示例药品"+drug, 10); err != nil {
		return 0, err
	}
	if _, err := h.read(ctx, drug); err != nil {
		return 0, err
	}
	time.Sleep(time.Duration(i%10) * feedSecond)
	if _, err := h.sell(drug, 8); err != nil {
		return 0, err
	}
	if r.post != nil {
		if err := r.post.send(ctx, h.program.HTTPAddr, drug, 2); err != nil {
			return 0, err
		}
	}
	time.Sleep(time.Duration(1+2*i) * feedSecond)
	if _, err := h.order(ctx, no, hisgatev1.Order_REFUND, drug, 3); err != nil {
		if reason, _ := refusal(err); reason != hisgatev1.Reason_STOCK_INSUFFICIENT.String() {
			return 0, err
		}
		return hisgatev1.Order_REJECTED, nil
	}
	if _, err := h.awaitPay(ctx, no); err != nil {
		return 0, err
	}
	if _, err := h.sims.WeChat.Pay(ctx, no); err != nil {
		return 0, err
	}
	o, err := h.await(ctx, no, hisgatev1.Order_FULFILLED, hisgatev1.Order_REFUNDED, hisgatev1.Order_NEEDS_ATTENTION)
	return o.GetStatus(), err
}

// tellFeed prints what the feed changed.
func (d *demo) tellFeed(rows []*feedRow) {
	words := map[string][2]string{
		"copied_every_5_min": {"copied every 5 minutes", "每 5 分钟同步一次"},
		"cache_10_s":         {"10-second cache", "10 秒缓存"},
		"feed":               {"feed (webhook)", "库存推送（webhook）"},
	}
	d.say("", "")
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	lang := 0
	head := "stock is\torders\trefused before payment\tpaid, then refunded\n"
	if d.zh {
		lang, head = 1, "库存来源\t下单\t付款前告知缺货\t付款后退款\n"
	}
	fmt.Fprint(w, head)
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", words[r.Name][lang], r.Orders, r.Refused, r.Refunded)
	}
	_ = w.Flush() // as d.say: a reader that is gone ends the demo elsewhere
}

// poster is the HIS's side: it posts each sale, signed.
type poster struct {
	dir string
	key []byte
}

// feedMapping reads what the poster writes.
const feedMapping = `message:
  unwrap: [json]
  rows: /
  fields: {pharmacy_id: yfdm, drug_id: ypdm, on_hand: kcsl}
`

func newPoster(dir string) (*poster, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	p := &poster{dir: dir, key: []byte(hex.EncodeToString(key))}
	return p, errors.Join(
		os.WriteFile(filepath.Join(dir, "feed.yaml"), []byte(feedMapping), 0o600),
		os.WriteFile(filepath.Join(dir, "feed.key"), p.key, 0o600))
}

func (p *poster) configure(c *Config) {
	c.Feeds = []Feed{{
		Name: "counter", Driver: feedWebhook, MappingFile: filepath.Join(p.dir, "feed.yaml"),
		Webhook: FeedWebhook{KeyFile: filepath.Join(p.dir, "feed.key")},
	}}
}

// send tells of a drug's new figure, and returns when it took effect. What is to
// be sent again is signed anew: posts from the second of a start are refused.
func (p *poster) send(ctx context.Context, addr, drug string, onHand int64) error {
	body, err := json.Marshal(map[string]any{"yfdm": "HLWYF", "ypdm": drug, "kcsl": onHand})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	for {
		status, why, err := p.post(ctx, addr, body)
		switch {
		case err != nil:
			return err
		case status == http.StatusNoContent:
			return nil
		case status != http.StatusUnauthorized && status != http.StatusServiceUnavailable:
			return fmt.Errorf("the post about drug %s: status %d: %s", drug, status, why)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the post about drug %s: status %d: %s", drug, status, why)
		case <-time.After(feedSecond):
		}
	}
}

// post sends a body once.
func (p *poster) post(ctx context.Context, addr string, body []byte) (status int, why []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/feeds/counter/webhook", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	now, nonce := strconv.FormatInt(time.Now().Unix(), 10), uuid.NewString()
	r.Header.Set(feed.TimestampHeader, now)
	r.Header.Set(feed.NonceHeader, nonce)
	r.Header.Set(feed.SignatureHeader, feed.Sign(p.key, now, nonce, body))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	why, err = io.ReadAll(io.LimitReader(resp.Body, 1000))
	return resp.StatusCode, why, err
}
