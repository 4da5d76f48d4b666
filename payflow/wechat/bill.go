package wechat

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha1" // WeChat's choice for bills
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/validators"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"

	"github.com/hisgate/hisgate/payflow"
)

var _ payflow.Bills = (*Channel)(nil)

const (
	// billTime bounds a download. The link lives five minutes; a download that has begun may take longer.
	billTime = 15 * time.Minute
	// maxBillFile and maxBill bound a bill as it travels and unpacked, in bytes: ten times a million rows.
	maxBillFile = 2 << 30
	maxBill     = 8 << 30
)

// billLink is the signed answer that announces a bill.
type billLink struct {
	HashType    string `json:"hash_type"`
	HashValue   string `json:"hash_value"`
	DownloadURL string `json:"download_url"`
}

// TradeBill implements payflow.Bills. The file is kept on the disk (Options.BillDir) meanwhile, packed as it came, and
// read twice: once to check all of it, once to hand the rows out.
func (c *Channel) TradeBill(ctx context.Context, day time.Time, each func(payflow.BillRow) error) (payflow.BillTotals, error) {
	query := url.Values{"bill_date": {day.In(billZone()).Format(time.DateOnly)}, "bill_type": {"ALL"}, "tar_type": {"GZIP"}}
	answer, err := c.call(ctx, opTradeBill, "/v3/bill/tradebill?"+query.Encode(), nil, http.StatusOK)
	var refused *payflow.ChannelError
	switch {
	case errors.As(err, &refused) && refused.Outcome == payflow.ChannelRefused && refused.Code == codeNoStatement:
		return payflow.BillTotals{Empty: true}, nil
	case errors.As(err, &refused) && refused.Outcome == payflow.ChannelRefused && refused.Code == codeStatementCreating:
		return payflow.BillTotals{}, payflow.ErrBillNotReady
	case err != nil:
		return payflow.BillTotals{}, err
	}
	var link billLink
	if json.Unmarshal(answer, &link) != nil || link.HashType != "SHA1" || len(link.HashValue) != 2*sha1.Size {
		return payflow.BillTotals{}, unreadable(opTradeBill, http.StatusOK, "is not the documented announcement of a bill")
	}
	path, err := c.billPath(link.DownloadURL)
	if err != nil {
		return payflow.BillTotals{}, unreadable(opTradeBill, http.StatusOK, err.Error())
	}
	file, err := c.downloadBill(ctx, path)
	if err != nil {
		return payflow.BillTotals{}, err
	}
	defer file.discard()
	totals, err := file.check(ctx, link.HashValue)
	if err != nil {
		return payflow.BillTotals{}, err
	}
	return totals, file.rows(ctx, each)
}

// billPath checks where a bill is to be fetched: our signature travels there, so only WeChat's own host will do, or the
// one that stands in for it.
func (c *Channel) billPath(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil || u.Path == "" || u.User != nil {
		return "", errors.New("has no download_url that can be read")
	}
	api, err := url.Parse(consts.WechatPayAPIServer)
	if err != nil {
		return "", err
	}
	if u.Host != api.Host && !strings.HasSuffix(u.Host, ".mch.weixin.qq.com") && (c.base == nil || u.Host != c.base.Host) {
		return "", errors.New("names a download_url of another host")
	}
	return u.RequestURI(), nil
}

// downloadBill fetches a file to the disk. The answer is unsigned: nothing is believed of it.
func (c *Channel) downloadBill(ctx context.Context, path string) (_ *billFile, err error) {
	ctx, cancel := context.WithTimeout(ctx, billTime)
	defer cancel()
	client, err := core.NewClientWithDialSettings(ctx, &core.DialSettings{
		HTTPClient: newHTTPClient(&fileTransport{rebase{c.network, c.base}}), Signer: c.signer, Validator: &validators.NullValidator{},
	})
	if err != nil {
		return nil, failure(opBillDownload, payflow.ChannelNotSent, 0, "", "the request could not be signed", nil)
	}
	result, err := client.Get(ctx, consts.WechatPayAPIServer+path)
	if err != nil || result == nil || result.Response == nil {
		return nil, downloadFailure(result, err)
	}
	body := result.Response.Body
	defer body.Close()
	f, err := newBillFile(c.billDir)
	if err != nil {
		return nil, fmt.Errorf("keep the bill on the disk: %w", err)
	}
	n, err := io.Copy(f.file, io.LimitReader(body, maxBillFile+1))
	switch {
	case err != nil:
		f.discard()
		return nil, failure(opBillDownload, payflow.ChannelUnknown, http.StatusOK, "", "the download was cut", networkCause(err))
	case n > maxBillFile:
		f.discard()
		return nil, &payflow.BillError{Reason: fmt.Sprintf("is longer than %d bytes", int64(maxBillFile))}
	}
	return f, nil
}

func downloadFailure(result *core.APIResult, err error) error {
	if result != nil && result.Response != nil {
		body, readErr := bodyOf(result.Response)
		if readErr != nil {
			body = nil
		}
		b := parseErrorBody(body)
		return failure(opBillDownload, payflow.ChannelUnknown, result.Response.StatusCode, "", "the download was refused: "+b.code+" "+b.text(), nil)
	}
	return failure(opBillDownload, payflow.ChannelUnknown, 0, "", "no answer", networkCause(err))
}

// fileTransport is transport for a file: only what is no file is bounded and read at once.
type fileTransport struct{ rebase }

// RoundTrip implements http.RoundTripper.
func (t *fileTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.rebase.RoundTrip(req)
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	return bounded(resp)
}

// billFile is a bill on the disk, as it travelled.
type billFile struct{ file *os.File }

// newBillFile makes an empty file in dir, "" = the system's folder for such files. Where the system allows it the file
// has no name from the first moment on, so that nothing stays behind, whatever becomes of this process.
func newBillFile(dir string) (*billFile, error) {
	f, err := os.CreateTemp(dir, "tradebill-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name()) // Windows takes it away with discard
	return &billFile{f}, nil
}

// discard takes the file away.
func (f *billFile) discard() {
	_ = f.file.Close() // only read from
	_ = os.Remove(f.file.Name())
}

// text opens the file from its beginning, unpacked if it is packed.
func (f *billFile) text() (io.Reader, error) {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(f.file, 64<<10)
	if head, err := in.Peek(2); err != nil || head[0] != 0x1f || head[1] != 0x8b {
		return in, nil // not packed, although we asked for it
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, &payflow.BillError{Reason: "is packed and cannot be unpacked: it was cut or altered"}
	}
	return z, nil
}

// check reads all of the bill: the hash first of all, then rows and sums.
func (f *billFile) check(ctx context.Context, hash string) (payflow.BillTotals, error) {
	text, err := f.text()
	if err != nil {
		return payflow.BillTotals{}, err
	}
	sum := sha1.New()
	bounded := &io.LimitedReader{R: text, N: maxBill}
	whole := io.TeeReader(bounded, sum)
	totals, bad := readBill(ctx, whole, func(payflow.BillRow) error { return nil })
	if ctx.Err() != nil {
		return payflow.BillTotals{}, ctx.Err()
	}
	if _, err := io.Copy(io.Discard, whole); err != nil && bad == nil { // what follows the sums, if anything
		bad = &payflow.BillError{Reason: "cannot be unpacked to its end: it was cut or altered"}
	}
	got := hex.EncodeToString(sum.Sum(nil))
	switch {
	case bounded.N <= 0:
		return payflow.BillTotals{}, &payflow.BillError{Reason: fmt.Sprintf("is longer than %d bytes unpacked", int64(maxBill))}
	case !strings.EqualFold(got, hash):
		return payflow.BillTotals{}, &payflow.BillError{Reason: fmt.Sprintf("has hash %s, and WeChat announced %s: it was cut or altered", got, strings.ToLower(clean(hash, 40)))}
	case bad != nil:
		return payflow.BillTotals{}, bad
	}
	totals.SHA1 = got
	return totals, nil
}

// rows hands the rows of a checked bill out.
func (f *billFile) rows(ctx context.Context, each func(payflow.BillRow) error) error {
	text, err := f.text()
	if err != nil {
		return err
	}
	_, err = readBill(ctx, text, each)
	return err
}
