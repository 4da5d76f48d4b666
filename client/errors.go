package client

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// errorDomain marks the reasons that are hisgate's.
const errorDomain = "hisgate"

// Error is what every failed call returns. status.Code and status.Convert of gRPC
// understand it, too.
type Error struct {
	// Method is the full name, as /hisgate.v1.LockService/Lock.
	Method string
	Code   codes.Code
	// Reason is what programs decide by; CODE_UNSPECIFIED when hisgate did not
	// answer, or is newer than this client: decide by Code then.
	Reason hisgatev1.Reason_Code
	// Message is in English, for people.
	Message string
	// RequestID is the number under which hisgate's log knows the call.
	RequestID string
	// RetryAfter is when to come again; 0 = not told.
	RetryAfter time.Duration
	// Metadata say more of some reasons: his_code, his_message, state, etag, …
	Metadata map[string]string
	// Shortages are those of STOCK_INSUFFICIENT, PriceGaps those of PRICE_CHANGED.
	Shortages []*hisgatev1.Shortage
	PriceGaps []*hisgatev1.PriceGap
	// Fields are those of INVALID_FIELD.
	Fields []*errdetails.BadRequest_FieldViolation

	chinese string
	status  *status.Status
}

// Error names the reason, or else the code, and says it in English.
func (e *Error) Error() string {
	name := e.Code.String()
	if e.Reason != hisgatev1.Reason_CODE_UNSPECIFIED {
		name = e.Reason.String()
	}
	method := e.Method[strings.LastIndexByte(e.Method, '/')+1:]
	if e.RequestID == "" {
		return fmt.Sprintf("hisgate: %s: %s: %s", method, name, e.Message)
	}
	return fmt.Sprintf("hisgate: %s: %s: %s (request %s)", method, name, e.Message, e.RequestID)
}

// Chinese is the message in Chinese, for people; in English when hisgate gave none.
func (e *Error) Chinese() string {
	if e.chinese == "" {
		return e.Message
	}
	return e.chinese
}

// GRPCStatus is what gRPC's own functions read.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// MayHaveHappened reports whether the call may have been carried out, or may still
// be, although it failed. It must not be taken for a failure then: repeat it with
// the same number. A Confirm that hears HIS_UNAVAILABLE is an example: hisgate goes
// on with it by itself. The code alone decides, so that a reason that is new
// changes nothing.
func (e *Error) MayHaveHappened() bool {
	switch e.Code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Internal, codes.DataLoss:
		return true
	default:
		return false
	}
}

// MayHaveHappened is that of an [Error] in err's chain. An error that is none of a
// call may be anything: true. Without an error it is false.
func MayHaveHappened(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.MayHaveHappened()
	}
	return err != nil
}

// ReasonOf is the reason of an [Error] in err's chain; CODE_UNSPECIFIED where there
// is none.
func ReasonOf(err error) hisgatev1.Reason_Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return hisgatev1.Reason_CODE_UNSPECIFIED
}

// typed makes an *Error of what a call returned; nil and io.EOF stay.
func typed(method, requestID string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	s := status.Convert(err)
	if _, ok := status.FromError(err); !ok {
		s = status.FromContextError(err)
	}
	e := &Error{Method: method, Code: s.Code(), Message: s.Message(), RequestID: requestID, status: s}
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == errorDomain {
				e.Reason = hisgatev1.Reason_Code(hisgatev1.Reason_Code_value[d.GetReason()])
				e.Metadata = d.GetMetadata()
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = d.GetRetryDelay().AsDuration()
		case *errdetails.LocalizedMessage:
			if strings.HasPrefix(d.GetLocale(), "zh") {
				e.chinese = d.GetMessage()
			}
		case *errdetails.BadRequest:
			e.Fields = d.GetFieldViolations()
		case *hisgatev1.Shortages:
			e.Shortages = d.GetShortages()
		case *hisgatev1.PriceGaps:
			e.PriceGaps = d.GetGaps()
		}
	}
	return e
}
