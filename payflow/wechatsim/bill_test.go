package wechatsim_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

type billLink struct {
	HashType    string `json:"hash_type"`
	HashValue   string `json:"hash_value"`
	DownloadURL string `json:"download_url"`
}

func (m *merchant) bill(query string) (billLink, error) {
	m.t.Helper()
	result, err := m.client.Get(m.t.Context(), "https://api.mch.weixin.qq.com/v3/bill/tradebill?"+query)
	if err != nil {
		return billLink{}, err
	}
	var link billLink
	if err := json.NewDecoder(result.Response.Body).Decode(&link); err != nil {
		m.t.Fatal(err)
	}
	return link, nil
}

// download fetches with a client that does not verify: the answer is unsigned.
func (m *merchant) download(sim *wechatsim.Sim, url string) (*http.Response, []byte, error) {
	m.t.Helper()
	client, err := core.NewClient(m.t.Context(), option.WithMerchantCredential(mchID, m.keys.MerchantSerial, m.key),
		option.WithoutValidator(), option.WithHTTPClient(&http.Client{Transport: sim.RoundTripper()}))
	if err != nil {
		m.t.Fatal(err)
	}
	result, err := client.Get(m.t.Context(), url)
	if err != nil {
		return nil, nil, err
	}
	raw, err := io.ReadAll(result.Response.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return result.Response, raw, nil
}

func TestTradeBill(t *testing.T) {
	keys(t)
	synctest.Test(t, func(t *testing.T) { // the bubble begins at 2000-01-01 00:00 UTC, 08:00 in Beijing
		sim := open(t)
		m := newMerchant(t, sim, wechatsim.ModePublicKey)
		r := order("ORDER0001")
		r.Description = core.String("甲硝唑片,阿莫西林")
		if _, _, err := m.jsapi().Prepay(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		m.prepay("ORDER0002")
		m.prepay("UNPAID01")
		for _, no := range []string{"ORDER0001", "ORDER0002"} {
			if _, err := sim.Pay(t.Context(), no); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := sim.Refund(t.Context(), "ORDER0002", 101, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := m.bill("bill_date=2000-01-01"); code(err) != "Bad Request PARAM_ERROR" {
			t.Errorf("today's: %v", err)
		}
		time.Sleep(26*time.Hour - time.Second) // 09:59:59 the next day in Beijing
		if _, err := m.bill("bill_date=2000-01-01"); code(err) != "Bad Request STATEMENT_CREATING" {
			t.Errorf("before ten: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := m.bill("bill_date=1999-12-31"); code(err) != "Bad Request NO_STATEMENT_EXIST" {
			t.Errorf("an empty day: %v", err)
		}
		for _, query := range []string{"bill_date=1.1.2000", "bill_date=2000-01-01&bill_type=X", "bill_date=2000-01-01&tar_type=ZIP", ""} {
			if _, err := m.bill(query); code(err) != "Bad Request PARAM_ERROR" {
				t.Errorf("%s: %v", query, err)
			}
		}

		link, err := m.bill("bill_date=2000-01-01&bill_type=ALL")
		if err != nil {
			t.Fatal(err)
		}
		resp, text, err := m.download(sim, link.DownloadURL)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha1.Sum(text)
		if link.HashType != "SHA1" || link.HashValue != hex.EncodeToString(sum[:]) || resp.Header.Get("Wechatpay-Signature") != "" {
			t.Errorf("%+v, headers %v", link, resp.Header)
		}
		lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\r\n")
		if len(lines) != 7 || !strings.Contains(lines[1], "`甲硝唑片,阿莫西林,`") || !strings.Contains(lines[3], "`1.01,") ||
			lines[5] != "`3,`32.00,`1.01,`0.00,`0.00,`32.00,`1.01" {
			t.Errorf("bill:\n%s", text)
		}
		header, err := csv.NewReader(strings.NewReader(lines[0])).Read()
		if err != nil || len(header) != strings.Count(lines[2], ",`")+1 {
			t.Errorf("%d columns for %s", len(header), lines[2])
		}

		packed, err := m.bill("bill_date=2000-01-01&tar_type=GZIP")
		if err != nil {
			t.Fatal(err)
		}
		_, raw, err := m.download(sim, packed.DownloadURL)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if unpacked, err := io.ReadAll(z); err != nil || !bytes.Equal(unpacked, text) || packed.HashValue != link.HashValue {
			t.Errorf("gzip: %v", err)
		}

		time.Sleep(5*time.Minute + time.Second)
		if _, _, err := m.download(sim, link.DownloadURL); code(err) != "Not Found RESOURCE_NOT_EXISTS" {
			t.Errorf("an old link: %v", err)
		}
		for kind, rows := range map[string]int{"SUCCESS": 2, "REFUND": 1} {
			link, err := m.bill("bill_date=2000-01-01&bill_type=" + kind)
			if err != nil {
				t.Fatal(err)
			}
			if _, text, err := m.download(sim, link.DownloadURL); err != nil || strings.Count(string(text), "\r\n") != rows+3 {
				t.Errorf("%s: %v\n%s", kind, err, text)
			}
		}
	})
}
