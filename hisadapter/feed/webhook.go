package feed

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/hisgate/hisgate/internal/anteroom"
	"github.com/hisgate/hisgate/internal/clientaddr"
)

// The headers of a post. The signature is sha256= and the hexadecimal HMAC-SHA256,
// under the feed's key, of the timestamp, a dot, the nonce, a dot, and the body as
// it is sent.
const (
	TimestampHeader = "X-Hisgate-Timestamp" // seconds since 1970
	NonceHeader     = "X-Hisgate-Nonce"     // 8 to 64 characters, no dot, another for each post
	SignatureHeader = "X-Hisgate-Signature"
)

// Sign is the signature of a post under a key.
func Sign(key []byte, timestamp, nonce string, body []byte) string {
	return signPrefix + hex.EncodeToString(mac(key, timestamp, nonce, body))
}

const signPrefix = "sha256="

func mac(key []byte, timestamp, nonce string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = io.WriteString(h, timestamp+"."+nonce+".") // a hash does not fail
	_, _ = h.Write(body)
	return h.Sum(nil)
}

// Window is how far a timestamp may be from our clock. Posts are remembered for
// as long, so that none is taken twice.
const Window = 5 * time.Minute

// The bounds of posts under way.
const (
	maxPosts  = 32 // that are signed, and take effect
	maxBodies = 64 // that come in: nobody knows yet who sends them
	postRead  = 5 * time.Second
	postTake  = 10 * time.Second
)

// requestIDHeader is the number of a request, as the server gave it.
const requestIDHeader = "X-Request-Id"

// Webhook is a feed for a HIS that can only post: each POST is one message.
//
//	204  it took effect
//	401  not signed by the key, or signed at another time than about now: sign anew
//	409  this very post came before: it is done
//	413  longer than MaxMessage
//	422  it cannot be read; why stands in the answer; it is with the dead letters
//	429, 503  too many posts, or this very post is still under way: again later, signed anew
//
// Who has not the key is refused by his headers, or when his body is in; until then
// he has none of the places of those who have it, and is cut off when the room for
// bodies is needed.
//
// A post whose answer was lost may be signed anew and sent again: what took effect
// twice does no harm. After a start, posts that were signed before it are refused,
// because nobody remembers which of them were taken.
type Webhook struct {
	feed *Feed
	keys [][]byte
	seen *seen
	in   *anteroom.Room
	busy chan struct{}
	told rate.Sometimes
}

// NewWebhook returns the handler of a feed's posts. Any of the keys is good, so
// that a key can be changed at the HIS after it was added here; each has at least
// 16 bytes.
func NewWebhook(f *Feed, keys ...[]byte) (*Webhook, error) {
	if len(keys) == 0 {
		return nil, errors.New("webhook: a key is needed")
	}
	for _, k := range keys {
		if len(k) < 16 {
			return nil, errors.New("webhook: a key has at least 16 bytes")
		}
	}
	return &Webhook{
		feed: f, keys: keys, seen: newSeen(f.o.Now(), maxSeen), in: anteroom.New(maxBodies),
		busy: make(chan struct{}, maxPosts), told: rate.Sometimes{Interval: time.Second},
	}, nil
}

// ServeHTTP implements http.Handler. The path is the caller's affair.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			h.feed.log.ErrorContext(r.Context(), "panic", "request_id", r.Header.Get(requestIDHeader), "panic", p, "stack", string(debug.Stack()))
			h.answer(w, http.StatusInternalServerError, "internal error")
		}
	}()
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		h.refuse(w, r, http.StatusMethodNotAllowed, "POST only")
		return
	}
	p, code, why := h.read(w, r)
	if code != 0 {
		h.refuse(w, r, code, why)
		return
	}
	select {
	case h.busy <- struct{}{}:
		defer func() { <-h.busy }()
	default:
		h.refuse(w, r, http.StatusServiceUnavailable, "too many posts at once")
		return
	}
	switch h.seen.begin(p.mark, h.feed.o.Now()) {
	case seenBefore:
		h.refuse(w, r, http.StatusConflict, "this post came before")
		return
	case seenUnderWay:
		h.refuse(w, r, http.StatusServiceUnavailable, "this post is still under way; send it again")
		return
	case seenTooMany:
		h.refuse(w, r, http.StatusTooManyRequests, "too many posts to remember; send several changes in one")
		return
	}
	err := h.take(r.Context(), &p)
	unreadable, isUnreadable := errors.AsType[*UnreadableError](err)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case isUnreadable:
		h.answer(w, http.StatusUnprocessableEntity, unreadable.Reason)
	default:
		h.refuse(w, r, http.StatusServiceUnavailable, "not taken in time; send it again")
	}
}

// take lets a post take effect. One that did not, also because of a panic, may
// come again as it is.
func (h *Webhook) take(ctx context.Context, p *post) (err error) {
	done := false
	defer func() { h.seen.end(p.mark, done) }()
	ctx, cancel := context.WithTimeout(ctx, postTake)
	defer cancel()
	err = h.feed.Take(ctx, p.message)
	_, isUnreadable := errors.AsType[*UnreadableError](err)
	done = err == nil || isUnreadable
	return err
}

// post is one that is signed by a key.
type post struct {
	message Message
	at      time.Time
	mark    mark
}

// read checks a post; a code that is not 0 is the answer.
func (h *Webhook) read(w http.ResponseWriter, r *http.Request) (p post, code int, why string) {
	var said [3]string
	for i, name := range []string{TimestampHeader, NonceHeader, SignatureHeader} {
		values := r.Header.Values(name)
		if len(values) != 1 || values[0] == "" {
			return p, http.StatusUnauthorized, "one " + name + " is needed"
		}
		said[i] = values[0]
	}
	timestamp, nonce := said[0], said[1]
	// With a dot one could not tell where the nonce ends and the body begins: a part
	// of a body would be signed as well.
	if len(nonce) < 8 || len(nonce) > 64 || strings.Contains(nonce, ".") {
		return p, http.StatusUnauthorized, NonceHeader + " has 8 to 64 characters, and no dot"
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return p, http.StatusUnauthorized, TimestampHeader + " is not a number of seconds since 1970"
	}
	now := h.feed.o.Now()
	p.at = time.Unix(seconds, 0)
	if d := now.Sub(p.at); d > Window || d < -Window {
		return p, http.StatusUnauthorized, TimestampHeader + " is not within five minutes of our clock"
	}
	if p.at.Before(h.seen.since) {
		return p, http.StatusUnauthorized, "signed before hisgate was started: sign it anew"
	}
	sign, err := hex.DecodeString(strings.TrimPrefix(said[2], signPrefix))
	if err != nil || len(sign) != sha256.Size {
		return p, http.StatusUnauthorized, SignatureHeader + " is not a hexadecimal HMAC-SHA256"
	}
	body, code, why := h.body(w, r, func(body []byte) bool { return h.signed(sign, timestamp, nonce, body) })
	if code != 0 {
		return p, code, why
	}
	p.mark = mark(sign[:len(p.mark)])
	p.message = Message{
		ID: nonce, Body: body, ContentType: r.Header.Get("Content-Type"), At: p.at,
		Attributes: map[string]string{"nonce": nonce},
	}
	return p, 0, ""
}

// body reads a body that is signed; a code that is not 0 is the answer.
func (h *Webhook) body(w http.ResponseWriter, r *http.Request, signed func([]byte) bool) (body []byte, code int, why string) {
	if r.ContentLength > MaxMessage {
		w.Header().Set("Connection", "close") // else net/http reads on before it answers
		return nil, http.StatusRequestEntityTooLarge, "too large"
	}
	conn, cut := http.NewResponseController(w), false
	_ = conn.SetReadDeadline(time.Now().Add(postRead)) // not every writer has one
	done := h.in.Enter(clientaddr.Of(r.RemoteAddr), func() {
		cut = true
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // long ago
	})
	defer done()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxMessage))
	good := err == nil && signed(body)
	done() // from now on it is not cut off
	_, long := errors.AsType[*http.MaxBytesError](err)
	switch {
	case long:
		code, why = http.StatusRequestEntityTooLarge, "too large"
	case err != nil && cut:
		code, why = http.StatusServiceUnavailable, "the body came too slowly while too many others came in; send it again"
	case err != nil:
		code, why = http.StatusBadRequest, "the body could not be read"
	case !good:
		return nil, http.StatusUnauthorized, "the signature is not right"
	default:
		_ = conn.SetReadDeadline(time.Time{})
		return body, 0, ""
	}
	w.Header().Set("Connection", "close") // else net/http reads on before it answers
	return nil, code, why
}

// signed takes as long whichever key is the right one.
func (h *Webhook) signed(sign []byte, timestamp, nonce string, body []byte) bool {
	good := false
	for _, key := range h.keys {
		good = hmac.Equal(sign, mac(key, timestamp, nonce, body)) || good
	}
	return good
}

func (h *Webhook) refuse(w http.ResponseWriter, r *http.Request, code int, why string) {
	h.feed.state.refused()
	h.told.Do(func() {
		h.feed.log.WarnContext(r.Context(), "a post was refused (told once a second)", "status", code, "why", why, "remote", r.RemoteAddr,
			"request_id", r.Header.Get(requestIDHeader))
	})
	if code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	h.answer(w, code, why)
}

func (h *Webhook) answer(w http.ResponseWriter, code int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(struct {
		Message string `json:"message"`
	}{why}) // the sender may be gone
}
