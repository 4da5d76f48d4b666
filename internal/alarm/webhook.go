package alarm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Format is how a webhook wants its messages.
type Format string

// The formats.
const (
	WeCom    Format = "wecom"    // the robot of a WeCom (企业微信) group
	DingTalk Format = "dingtalk" // the robot of a DingTalk (钉钉) group
	JSON     Format = "json"     // anything else
)

// Webhook is where messages go. Both files are read for every message, so that
// they may be replaced while hisgate runs.
type Webhook struct {
	Format     Format
	URLFile    string // holds the address, with its key
	SecretFile string // holds what DingTalk and JSON messages are signed with; "" = they are not
}

// sendWithin bounds one try to deliver.
const sendWithin = 10 * time.Second

// poster sends to webhooks.
type poster struct {
	client   *http.Client
	language Language
	host     string
	now      func() time.Time
}

func newPoster(t http.RoundTripper, l Language, host string, now func() time.Time) *poster {
	if t == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxIdleConns, own.IdleConnTimeout = 4, 30*time.Second
		t = own
	}
	return &poster{
		client: &http.Client{
			Transport: t, Timeout: sendWithin,
			// A redirect would carry the key to somebody else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		language: l, host: host, now: now,
	}
}

// look asks the host of a webhook for its root, without the key, so that nobody is
// told anything, and returns the host and the status that it answered. Errors are
// those of post, but for *RefusedError: any answer is one.
func (p *poster) look(ctx context.Context, w Webhook) (host string, status int, err error) {
	address, _, err := w.read()
	if err != nil {
		return "", 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	root := url.URL{Scheme: address.Scheme, Host: address.Host, Path: "/"}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, root.String(), nil)
	if err != nil {
		return address.Host, 0, errors.New("the address cannot be used")
	}
	res, err := p.client.Do(req)
	if err != nil {
		return address.Host, 0, withoutAddress(err)
	}
	return address.Host, res.StatusCode, res.Body.Close()
}

// RefusedError: the webhook answered, and did not take the message.
type RefusedError struct {
	Status  int    // of HTTP
	Code    int    // errcode of the robot, 0 = it gave none
	Message string // in its words, cut
}

func (e *RefusedError) Error() string {
	if e.Code != 0 {
		return fmt.Sprintf("refused: HTTP %d, errcode %d: %s", e.Status, e.Code, e.Message)
	}
	return fmt.Sprintf("refused: HTTP %d: %s", e.Status, e.Message)
}

// post delivers messages in one call and returns what was answered. Errors, none
// of which names the address: a *RefusedError, that of the network, and those of
// the files.
func (p *poster) post(ctx context.Context, w Webhook, messages []Message) (string, error) {
	address, secret, err := w.read()
	if err != nil {
		return "", err
	}
	body, err := p.body(w.Format, messages)
	if err != nil {
		return "", err
	}
	at := p.now()
	target := *address
	if w.Format == DingTalk && secret != "" {
		q := target.Query()
		stamp := fmt.Sprint(at.UnixMilli())
		q.Set("timestamp", stamp)
		q.Set("sign", signature(secret, stamp))
		target.RawQuery = q.Encode()
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return "", errors.New("the address cannot be used")
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if w.Format == JSON && secret != "" {
		stamp := fmt.Sprint(at.Unix())
		req.Header.Set("X-Hisgate-Timestamp", stamp)
		req.Header.Set("X-Hisgate-Signature", jsonSignature(secret, stamp, body))
	}
	res, err := p.client.Do(req)
	if err != nil {
		return "", withoutAddress(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return "", withoutAddress(err)
	}
	return judgeAnswer(w.Format, res.StatusCode, answer, newScrubber(address, secret))
}

// withoutAddress takes an error out of the one of net/http, which names the
// address and its key.
func withoutAddress(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", sendWithin)
	}
	return err
}

// judgeAnswer tells whether the webhook took the message. The robots answer 200
// and an errcode also when they did not.
func judgeAnswer(f Format, status int, body []byte, scrub *strings.Replacer) (string, error) {
	refused := &RefusedError{Status: status, Message: cut(scrub.Replace(string(bytes.TrimSpace(body))), 200)}
	if status < 200 || status > 299 {
		return "", refused
	}
	if f == JSON {
		return fmt.Sprintf("HTTP %d", status), nil
	}
	var a struct {
		Code    *int   `json:"errcode"`
		Message string `json:"errmsg"`
	}
	if err := json.Unmarshal(body, &a); err != nil || a.Code == nil {
		return "", refused
	}
	refused.Code, refused.Message = *a.Code, cut(scrub.Replace(a.Message), 200)
	if *a.Code != 0 {
		return "", refused
	}
	return fmt.Sprintf("HTTP %d, errcode 0 %s", status, refused.Message), nil
}

// newScrubber replaces what is secret of a webhook, should it come back in an
// answer.
func newScrubber(address *url.URL, secret string) *strings.Replacer {
	const hidden = "[redacted]"
	var pairs []string
	for _, values := range address.Query() {
		for _, v := range values {
			if v != "" {
				pairs = append(pairs, v, hidden)
			}
		}
	}
	if secret != "" {
		pairs = append(pairs, secret, hidden)
	}
	if len(address.Path) > 1 {
		pairs = append(pairs, address.Path, hidden)
	}
	return strings.NewReplacer(pairs...)
}

// Check reads the files of the webhook. Errors name the files, and never what is
// in them.
func (w Webhook) Check() error {
	_, _, err := w.read()
	return err
}

func (w Webhook) read() (address *url.URL, secret string, err error) {
	b, err := os.ReadFile(w.URLFile)
	if err != nil {
		return nil, "", err
	}
	u, err := url.Parse(string(bytes.TrimSpace(b)))
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, "", fmt.Errorf("%s does not hold an https:// address", w.URLFile)
	}
	if w.SecretFile == "" {
		return u, "", nil
	}
	if b, err = os.ReadFile(w.SecretFile); err != nil {
		return nil, "", err
	}
	if secret = string(bytes.TrimSpace(b)); secret == "" {
		return nil, "", fmt.Errorf("%s is empty", w.SecretFile)
	}
	return u, secret, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
