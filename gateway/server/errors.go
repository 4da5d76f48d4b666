package server

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/gateway/server/access"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// errorDomain is the domain of every ErrorInfo.
const errorDomain = "hisgate"

// reason is the reason of an error, as the API spells it.
type reason = hisgatev1.Reason_Code

// failure is a row of the error table with what one error fills into it.
type failure struct {
	code    codes.Code
	reason  reason
	message string // English; for people
	zh      string
	retry   time.Duration // 0 = the code's own
	meta    map[string]string
	details []protoadapt.MessageV1
}

// sentinels is the table for errors without content of their own.
var sentinels = []struct {
	err    error
	code   codes.Code
	reason reason
	zh     string
}{
	{access.ErrUnknown, codes.Unauthenticated, hisgatev1.Reason_UNAUTHENTICATED, "身份未确认：需要有效的令牌或客户端证书"},
	{errTooLarge, codes.InvalidArgument, hisgatev1.Reason_MALFORMED_REQUEST, "消息超过 1 MiB"},
	{lockstore.ErrNotFound, codes.NotFound, hisgatev1.Reason_NOT_FOUND, "没有这个锁定"},
	{lockstore.ErrOrderNoReused, codes.AlreadyExists, hisgatev1.Reason_ORDER_NO_REUSED, "订单号已用于其他内容"},
	{lockstore.ErrLockEnded, codes.FailedPrecondition, hisgatev1.Reason_LOCK_ENDED, "锁定已结束"},
	{lockstore.ErrLockPending, codes.FailedPrecondition, hisgatev1.Reason_LOCK_PENDING, "锁定尚未完成，请稍后再问"},
	{lockstore.ErrConfirmInProgress, codes.Aborted, hisgatev1.Reason_CONFIRM_IN_PROGRESS, "HIS 正在扣减，暂不能释放"},
	{lockstore.ErrAlreadyConfirmed, codes.FailedPrecondition, hisgatev1.Reason_ALREADY_CONFIRMED, "HIS 已扣减，不能释放"},
	{lockstore.ErrNotSettled, codes.FailedPrecondition, hisgatev1.Reason_LOCK_UNSETTLED, "上一次锁定在 HIS 尚无定论"},
	{lockstore.ErrRecovering, codes.Unavailable, hisgatev1.Reason_RECOVERING, "系统已从备份恢复，正在与 HIS 和微信支付核对，请稍后再试"},
	{lockstore.ErrDiskReserve, codes.Unavailable, hisgatev1.Reason_DISK_RESERVE, "磁盘将满，暂不接受新业务"},
	{lockstore.ErrTooManyLocks, codes.ResourceExhausted, hisgatev1.Reason_RATE_LIMITED, "记录过多，请稍后再试"},
	{lockstore.ErrClosed, codes.Unavailable, hisgatev1.Reason_SHUTTING_DOWN, "服务正在停止"},
	{lockstore.ErrOutcomeUnknown, codes.Unavailable, hisgatev1.Reason_OUTCOME_UNKNOWN, "结果未知，请用同一订单号重试"},
	{gateway.ErrOutcomeUnknown, codes.Unavailable, hisgatev1.Reason_OUTCOME_UNKNOWN, "HIS 的结果正在查证，请用同一订单号重试"},
	{gateway.ErrTooManyWatchers, codes.ResourceExhausted, hisgatev1.Reason_RATE_LIMITED, "订阅过多，请稍后再试"},
	{gateway.ErrOverloaded, codes.ResourceExhausted, hisgatev1.Reason_RATE_LIMITED, "等待 HIS 的请求过多，请稍后再试"},
	{gateway.ErrClosed, codes.Unavailable, hisgatev1.Reason_SHUTTING_DOWN, "服务正在停止"},
	{payflow.ErrRecovering, codes.Unavailable, hisgatev1.Reason_RECOVERING, "系统已从备份恢复，正在与 HIS 和微信支付核对，请稍后再试"},
	{payflow.ErrDiskReserve, codes.Unavailable, hisgatev1.Reason_DISK_RESERVE, "磁盘将满，暂不接受新业务"},
	{payflow.ErrDisabled, codes.FailedPrecondition, hisgatev1.Reason_PAYMENT_DISABLED, "未启用支付"},
	{payflow.ErrBusy, codes.ResourceExhausted, hisgatev1.Reason_RATE_LIMITED, "业务繁忙，请稍后再试"},
	{payflow.ErrStopped, codes.Unavailable, hisgatev1.Reason_OUTCOME_UNKNOWN, "服务正在停止，结果未知，请重试"},
	{payflow.ErrPricingNotAllowed, codes.PermissionDenied, hisgatev1.Reason_PERMISSION_DENIED, "无权指定金额"},
	{payflow.ErrNotFound, codes.NotFound, hisgatev1.Reason_NOT_FOUND, "没有这个订单或个案"},
	{payflow.ErrMisconfigured, codes.Unavailable, hisgatev1.Reason_HIS_MISCONFIGURED, "HIS 拒绝了接口调用，已告警"},
	{payflow.ErrUnavailable, codes.Unavailable, hisgatev1.Reason_HIS_UNAVAILABLE, "HIS 暂时无法访问"},
	{payflow.ErrPending, codes.Unavailable, hisgatev1.Reason_OUTCOME_UNKNOWN, "结果正在查证，请用同一订单号重试"},
	{payflow.ErrUnsettled, codes.FailedPrecondition, hisgatev1.Reason_LOCK_UNSETTLED, "上一次锁定在 HIS 尚无定论"},
	{payflow.ErrEnded, codes.FailedPrecondition, hisgatev1.Reason_LOCK_ENDED, "锁定已结束"},
	{payflow.ErrConfirmed, codes.FailedPrecondition, hisgatev1.Reason_ALREADY_CONFIRMED, "HIS 已扣减"},
}

// errRetryAfter is the pause that a client is told where nothing better is known.
const errRetryAfter = time.Second

// toStatus turns any error of the cores into the API's. It reports false for an
// error that no row knows: a fault of hisgate, whose cause only the log gets.
func toStatus(err error) (*status.Status, bool) {
	if s, ok := status.FromError(err); ok {
		return s, true
	}
	f, ok := classify(err)
	switch {
	case ok:
		return f.status(), true
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut().status(), true
	case errors.Is(err, context.Canceled):
		return status.New(codes.Canceled, "the caller left"), true
	default:
		return internalFailure().status(), false
	}
}

// timedOut: the caller's time, or the default one, ended first.
func timedOut() failure {
	return failure{
		code: codes.DeadlineExceeded, reason: hisgatev1.Reason_TIMED_OUT,
		message: "no answer in time; repeat with the same order_no", zh: "处理超时，请用同一订单号重试",
	}
}

// classify finds the row of an error.
func classify(err error) (failure, bool) {
	if e, ok := errors.AsType[*protovalidate.ValidationError](err); ok {
		return fieldFailure(e), true
	}
	if e, ok := errors.AsType[*limitError](err); ok {
		return failure{
			code: codes.ResourceExhausted, reason: hisgatev1.Reason_RATE_LIMITED, message: e.Error(), zh: "请求过多，请稍后再试",
			retry: e.retry, meta: map[string]string{"scope": string(e.scope)},
		}, true
	}
	if e, ok := errors.AsType[*endedError](err); ok {
		f := failure{code: codes.Unauthenticated, reason: hisgatev1.Reason_UNAUTHENTICATED, message: e.Error(), zh: e.zh()}
		if e.role != nil {
			f.code, f.reason = codes.PermissionDenied, hisgatev1.Reason_PERMISSION_DENIED
		}
		return f, true
	}
	if e, ok := errors.AsType[*roleError](err); ok {
		return failure{
			code: codes.PermissionDenied, reason: hisgatev1.Reason_PERMISSION_DENIED, message: e.Error(), zh: e.zh(),
		}, true
	}
	if f, ok := classifyStock(err); ok {
		return f, true
	}
	if f, ok := classifyOrder(err); ok {
		return f, true
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return failure{code: s.code, reason: s.reason, message: s.err.Error(), zh: s.zh}, true
		}
	}
	return failure{}, false
}

// short is the refusal for stock.
func short(message string, s *hisgatev1.Shortages) failure {
	return failure{
		code: codes.FailedPrecondition, reason: hisgatev1.Reason_STOCK_INSUFFICIENT, message: message,
		zh: "库存不足", details: []protoadapt.MessageV1{protoadapt.MessageV1Of(s)},
	}
}

// invalid is the refusal of a field.
func invalid(field, why string) failure {
	return failure{
		code: codes.InvalidArgument, reason: hisgatev1.Reason_INVALID_FIELD, message: field + ": " + why, zh: "参数不正确：" + field,
		meta: map[string]string{"field": field},
		details: []protoadapt.MessageV1{&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: field, Description: why},
		}}},
	}
}

// maxViolations bounds the fields that a refusal names.
const maxViolations = 20

// fieldFailure turns broken field rules into a failure that names every field, or
// the first ones of very many.
func fieldFailure(e *protovalidate.ValidationError) failure {
	bad := &errdetails.BadRequest{}
	for _, v := range e.Violations[:min(len(e.Violations), maxViolations)] {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field: clip(hisgatev1.ViolatedField(v), maxField), Description: clip(v.Proto.GetMessage(), maxField),
		})
	}
	f := invalid(bad.FieldViolations[0].GetField(), bad.FieldViolations[0].GetDescription())
	f.details = []protoadapt.MessageV1{bad}
	return f
}

// reasonNamed finds the API's code for a reason of payflow, which are spelled
// alike; a test holds that none is missing.
func reasonNamed(name string) reason {
	return reason(hisgatev1.Reason_Code_value[name])
}

func hisWords(code, message string) map[string]string {
	if code == "" && message == "" {
		return nil
	}
	return map[string]string{"his_code": code, "his_message": message}
}

func toShortages[E lockstore.Shortage | hisadapter.Shortage | payflow.Shortage](in []E) *hisgatev1.Shortages {
	out := &hisgatev1.Shortages{}
	for _, s := range in {
		x := lockstore.Shortage(s)
		out.Shortages = append(out.Shortages, &hisgatev1.Shortage{DrugId: x.DrugID, Requested: x.Requested, Available: x.Available})
	}
	return out
}

// What a caller or a HIS wrote may come back in an error, and over gRPC an error is a
// header: one that is too long ends the connection with all that is on it.
const (
	maxWords = 1000 // bytes of a text for people
	maxField = 200  // of the name of a field, and of what is wrong with it
)

// clip cuts a text behind so many bytes, at a character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// status renders the failure with its details: ErrorInfo, the words in Chinese
// and English, the retry hint where the code asks for one, and its own.
func (f failure) status() *status.Status {
	f.message, f.zh = clip(f.message, maxWords), clip(f.zh, maxWords)
	for name, words := range f.meta {
		f.meta[name] = clip(words, maxWords)
	}
	details := []protoadapt.MessageV1{
		&errdetails.ErrorInfo{Reason: f.reason.String(), Domain: errorDomain, Metadata: f.meta},
		&errdetails.LocalizedMessage{Locale: "zh-CN", Message: f.zh},
		&errdetails.LocalizedMessage{Locale: "en", Message: f.message},
	}
	if f.code == codes.Unavailable || f.code == codes.ResourceExhausted {
		retry := f.retry
		if retry <= 0 {
			retry = errRetryAfter
		}
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(retry)})
	}
	s, err := status.New(f.code, f.message).WithDetails(append(details, f.details...)...)
	if err != nil { // only for code OK, which no row has
		return status.New(f.code, f.message)
	}
	return s
}
