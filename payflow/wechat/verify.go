package wechat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
)

const (
	// probeStart begins the signatures of WeChat's test traffic. They are wrong on purpose, on callbacks and on API
	// answers: who believes one, verifies nothing.
	probeStart = "WECHATPAY/SIGNTEST/"
	// maxAge is how far a signature's time may lie from ours, either way.
	maxAge = 5 * time.Minute
)

// fault is why a signature is not believed.
type fault string

const (
	faultUnsigned  fault = "unsigned"  // no signature at all
	faultMalformed fault = "malformed" // signature headers that WeChat does not send: missing, twice, of a wrong form
	faultProbe     fault = "probe"     // WeChat's own test
	faultStale     fault = "stale"     // the time is off by maxAge or more
	faultNoKey     fault = "no key"    // signed with a key we do not have, or do not have yet
	faultWrong     fault = "wrong"     // the signature does not fit
)

// signatureError says that a message is not verified. Its text holds neither signature nor body.
type signatureError struct {
	fault  fault
	detail string
}

func (e *signatureError) Error() string {
	if e.detail == "" {
		return "signature: " + string(e.fault)
	}
	return "signature: " + string(e.fault) + ": " + e.detail
}

// faultOf returns why err says that a message is not verified.
func faultOf(err error) fault {
	var s *signatureError
	if errors.As(err, &s) {
		return s.fault
	}
	return faultWrong
}

// signed is a message with its Wechatpay-* headers, as answers and callbacks have them.
type signed struct {
	timestamp, nonce, signature, serial string
	body                                []byte
}

var (
	timestampForm = regexp.MustCompile(`^[1-9][0-9]{0,10}$`)
	// nonceForm leaves out what could shift the borders of the signed text or hide two header values in one.
	nonceForm     = regexp.MustCompile(`^[!-+\--~]{1,128}$`)
	signatureForm = regexp.MustCompile(`^[0-9A-Za-z+/=]{1,1000}$`)
)

// check verifies m as of now. Errors: *signatureError. It does not block on the network.
func (k *keyring) check(ctx context.Context, m signed, now time.Time) error {
	switch {
	case m.timestamp == "" && m.nonce == "" && m.signature == "" && m.serial == "":
		return &signatureError{fault: faultUnsigned}
	case strings.HasPrefix(m.signature, probeStart):
		return &signatureError{fault: faultProbe}
	case !timestampForm.MatchString(m.timestamp):
		return &signatureError{faultMalformed, "timestamp"}
	case !nonceForm.MatchString(m.nonce):
		return &signatureError{faultMalformed, "nonce"}
	case !serialForm.MatchString(m.serial):
		return &signatureError{faultMalformed, "serial"}
	case !signatureForm.MatchString(m.signature):
		return &signatureError{faultMalformed, "signature"}
	}
	seconds, err := strconv.ParseInt(m.timestamp, 10, 64)
	if err != nil {
		return &signatureError{faultMalformed, "timestamp"}
	}
	if age := now.Sub(time.Unix(seconds, 0)); age >= maxAge || age <= -maxAge {
		return &signatureError{faultStale, fmt.Sprintf("%s off our clock", age.Round(time.Second))}
	}
	text := m.timestamp + "\n" + m.nonce + "\n" + string(m.body) + "\n"
	return k.verify(ctx, m.serial, text, m.signature)
}

// answerValidator makes the SDK verify 2xx answers our way, and us verify the others, which the SDK takes as they come.
type answerValidator struct {
	keys *keyring
	now  func() time.Time
}

var _ auth.Validator = answerValidator{}

// Validate implements auth.Validator. The transport has read and bounded the body. Errors: *signatureError.
func (v answerValidator) Validate(ctx context.Context, resp *http.Response) error {
	body, err := bodyOf(resp)
	if err != nil {
		return &signatureError{faultWrong, "the body cannot be read"}
	}
	m := signed{body: body}
	for name, into := range map[string]*string{
		consts.WechatPayTimestamp: &m.timestamp,
		consts.WechatPayNonce:     &m.nonce,
		consts.WechatPaySignature: &m.signature,
		consts.WechatPaySerial:    &m.serial,
	} {
		switch values := resp.Header.Values(name); len(values) {
		case 0:
		case 1:
			*into = values[0]
		default:
			return &signatureError{faultMalformed, "header twice"}
		}
	}
	return v.keys.check(ctx, m, v.now())
}

// GetAcceptSerial implements auth.Validator: under which key the answer is asked for.
func (v answerValidator) GetAcceptSerial(context.Context) (string, error) {
	return v.keys.acceptSerial(), nil
}
