package wechat

import (
	"encoding/json"
	"strings"
	"unicode"

	"github.com/hisgate/hisgate/payflow"
)

// failure builds the *payflow.ChannelError of an answer or of none. message comes from WeChat or from here, never from the
// SDK.
func failure(o op, outcome payflow.ChannelOutcome, status int, code, message string, cause error) *payflow.ChannelError {
	return &payflow.ChannelError{Op: string(o), Outcome: outcome, Status: status, Code: code, Message: message, Err: cause}
}

// badInput is a call that was not made, because WeChat would not take it.
func badInput(o op, e *payflow.FieldError) *payflow.ChannelError {
	return failure(o, payflow.ChannelMisconfigured, 0, "", "not sent", e)
}

// unreadable is a verified answer that says something else than WeChat documents.
func unreadable(o op, status int, what string) *payflow.ChannelError {
	return failure(o, payflow.ChannelUnknown, status, "", "the answer "+what, nil)
}

// errorBody is WeChat's {"code","message"}, cleaned.
type errorBody struct {
	code    string // normal form
	message string
	field   string // of a PARAM_ERROR; its value is left out, it may be an openid
}

// parseErrorBody reads an error answer by itself: the SDK decodes it into its error struct, where a member "StatusCode" or
// "Header" of the body would replace the real ones.
func parseErrorBody(body []byte) errorBody {
	var b struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &b) != nil {
		return errorBody{}
	}
	var detail struct {
		Field string `json:"field"`
	}
	if json.Unmarshal(b.Detail, &detail) != nil {
		detail.Field = "" // of another form, or none: it only explains
	}
	return errorBody{normalCode(clean(b.Code, 64)), clean(b.Message, 200), clean(detail.Field, 64)}
}

// text is the message with the field that it is about.
func (b errorBody) text() string {
	if b.field == "" {
		return b.message
	}
	return b.message + " (" + b.field + ")"
}

// clean cuts s to n characters and drops what would disturb a log line.
func clean(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
