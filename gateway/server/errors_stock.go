package server

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// classifyStock knows the typed errors of the stock half.
func classifyStock(err error) (failure, bool) {
	if e, ok := errors.AsType[*lockstore.ShortageError](err); ok {
		return short(e.Error(), toShortages(e.Shortages)), true
	}
	if e, ok := errors.AsType[*lockstore.NotDivisibleError](err); ok {
		return failure{
			code: codes.FailedPrecondition, reason: hisgatev1.Reason_NOT_DIVISIBLE, message: e.Error(),
			zh:   fmt.Sprintf("药品 %s 须按 %d 的倍数购买", e.DrugID, e.Multiple),
			meta: map[string]string{"drug_id": e.DrugID, "multiple": fmt.Sprint(e.Multiple)},
		}, true
	}
	if e, ok := errors.AsType[*lockstore.InvalidError](err); ok {
		return invalid(e.Field, e.Reason), true
	}
	if e, ok := errors.AsType[*lockstore.StaleReadingError](err); ok {
		return failure{code: codes.Unavailable, reason: hisgatev1.Reason_HIS_UNAVAILABLE, message: e.Error(), zh: "库存读数已过时，请重试"}, true
	}
	if e, ok := errors.AsType[*gateway.UnknownDrugError](err); ok {
		return failure{
			code: codes.NotFound, reason: hisgatev1.Reason_UNKNOWN_DRUG, message: e.Error(), zh: "HIS 没有这种药品",
			meta: map[string]string{"pharmacy_id": e.Key.PharmacyID, "drug_id": e.Key.DrugID},
		}, true
	}
	if e, ok := errors.AsType[*gateway.HISRefusedError](err); ok {
		return refused(e), true
	}
	if e, ok := errors.AsType[*gateway.RecalledError](err); ok {
		if e.Deducted {
			return failure{
				code: codes.FailedPrecondition, reason: hisgatev1.Reason_ALREADY_CONFIRMED, message: e.Error(),
				zh: "HIS 已扣减，不能释放", meta: map[string]string{"his_no": e.HISNo, "his_order_no": e.HISOrderNo},
			}, true
		}
		return failure{
			code: codes.Unavailable, reason: hisgatev1.Reason_RECOVERING, message: e.Error(),
			zh: "HIS 仍有恢复备份之前的冻结，请先用同一订单号重新锁定", meta: map[string]string{"his_no": e.HISNo},
		}, true
	}
	if e, ok := errors.AsType[*gateway.HISError](err); ok {
		f := failure{
			code: codes.Unavailable, reason: hisgatev1.Reason_HIS_UNAVAILABLE, message: e.Error(),
			zh: "HIS 暂时无法访问", retry: e.RetryAfter, meta: hisWords(e.Code, e.Message),
		}
		if e.Outcome == hisadapter.Misconfigured {
			f.reason, f.zh = hisgatev1.Reason_HIS_MISCONFIGURED, "HIS 拒绝了接口调用，已告警"
		}
		return f, true
	}
	return failure{}, false
}

// refused tells the HIS's refusals apart by what a client can do about them.
func refused(e *gateway.HISRefusedError) failure {
	f := failure{code: codes.FailedPrecondition, message: e.Error(), meta: hisWords(e.Code, e.Message)}
	switch e.Kind {
	case hisadapter.Insufficient:
		f = short(e.Error(), toShortages(e.Shortages))
		f.meta = hisWords(e.Code, e.Message)
	case hisadapter.UnknownDrug:
		f.reason, f.zh = hisgatev1.Reason_UNKNOWN_DRUG, "HIS 没有这种药品"
	case hisadapter.Stopped:
		f.reason, f.zh = hisgatev1.Reason_STOPPED, "药品已停用"
	case hisadapter.NotDivisible:
		f.reason, f.zh = hisgatev1.Reason_NOT_DIVISIBLE, "数量不是最小销售单位的整数倍"
	case hisadapter.PriceChanged, hisadapter.AmountMismatch:
		f.reason, f.zh = hisgatev1.Reason_PRICE_CHANGED, "价格已变动"
	default:
		f.reason, f.zh = hisgatev1.Reason_HIS_REFUSED, "HIS 拒绝"
	}
	return f
}
