package server

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/protoadapt"

	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// classifyOrder knows the typed errors of the payment half.
func classifyOrder(err error) (failure, bool) {
	if e, ok := errors.AsType[*payflow.ShortError](err); ok {
		return short(e.Error(), toShortages(e.Shortages)), true
	}
	if e, ok := errors.AsType[*payflow.PriceChangedError](err); ok {
		return failure{
			code: codes.FailedPrecondition, reason: hisgatev1.Reason_PRICE_CHANGED, message: e.Error(),
			zh: "价格与 HIS 不一致", details: []protoadapt.MessageV1{protoadapt.MessageV1Of(toPriceGaps(e.Gaps))},
		}, true
	}
	if e, ok := errors.AsType[*payflow.PreconditionError](err); ok {
		return failure{
			code: codes.FailedPrecondition, reason: reasonNamed(e.Reason), message: e.Error(),
			zh: preconditionZH(e), meta: map[string]string{"state": string(e.State)},
		}, true
	}
	if e, ok := errors.AsType[*payflow.AbortedError](err); ok {
		return failure{
			code: codes.Aborted, reason: reasonNamed(e.Reason), message: e.Error(),
			zh: abortedZH(e), meta: map[string]string{"state": string(e.State)},
		}, true
	}
	if e, ok := errors.AsType[*payflow.EtagMismatchError](err); ok {
		return failure{
			code: codes.Aborted, reason: hisgatev1.Reason_ETAG_MISMATCH, message: e.Error(),
			zh: "记录已变动，请重新读取", meta: map[string]string{"etag": e.Current},
		}, true
	}
	if e, ok := errors.AsType[*payflow.OrderNoReusedError](err); ok {
		return failure{code: codes.AlreadyExists, reason: hisgatev1.Reason_ORDER_NO_REUSED, message: e.Error(), zh: "订单号已用于其他内容"}, true
	}
	if e, ok := errors.AsType[*payflow.RequestReusedError](err); ok {
		return failure{code: codes.InvalidArgument, reason: hisgatev1.Reason_REQUEST_REUSED, message: e.Error(), zh: "request_id 已用于其他请求"}, true
	}
	if e, ok := errors.AsType[*payflow.InvalidError](err); ok {
		return invalid(e.Field, e.Reason), true
	}
	if e, ok := errors.AsType[*payflow.FieldError](err); ok {
		return invalid(e.Field, e.Reason), true
	}
	if e, ok := errors.AsType[*payflow.RefusedError](err); ok {
		return failure{
			code: codes.FailedPrecondition, reason: hisgatev1.Reason_HIS_REFUSED, message: e.Error(),
			zh: "HIS 拒绝", meta: hisWords(e.Code, e.Message),
		}, true
	}
	if e, ok := errors.AsType[*payflow.NotYetError](err); ok {
		f, known := classify(e.Cause)
		if !known || f.code != codes.Unavailable {
			f = failure{code: codes.Unavailable, reason: hisgatev1.Reason_OUTCOME_UNKNOWN, zh: "结果正在查证，请用同一订单号重试"}
		}
		f.message = e.Error()
		f.meta = map[string]string{"order_no": e.Order.No, "state": string(e.Order.State)}
		return f, true
	}
	if e, ok := errors.AsType[*payflow.ChannelError](err); ok {
		return failure{
			code: codes.Unavailable, reason: hisgatev1.Reason_PAY_UNAVAILABLE,
			message: "WeChat Pay cannot be asked now (" + e.Op + ")", zh: "微信支付暂时无法访问",
		}, true
	}
	return failure{}, false
}
