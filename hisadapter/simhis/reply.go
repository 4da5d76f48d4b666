package simhis

import (
	"github.com/hisgate/hisgate/hisadapter"
)

// The codes of the protocol, as a hospital would number them.
const (
	codeOK             = "0"
	codeInsufficient   = "1001"
	codeLapsed         = "1002"
	codePriceChanged   = "1003"
	codeAmountMismatch = "1004"
	codeUnknownDrug    = "1005"
	codeStopped        = "1006"
	codeNotDivisible   = "1007"
	codeRefused        = "1099"
	codeDuplicate      = "2001"
	codeWrongState     = "2002"
	codeNotFound       = "2003"
	codeBusy           = "3001"
	codeSignature      = "4001"
	codeBadParameter   = "4002"
	codeNotOpened      = "4003"
)

// reply is the HIS's business answer to one call.
type reply struct {
	code      string
	message   string
	shortages []hisadapter.Shortage

	readings []hisadapter.Reading
	freeze   hisadapter.Freeze
	order    hisadapter.HISOrder
	found    hisadapter.Found
	list     []hisadapter.HISOrder
}

func no(code, message string) reply { return reply{code: code, message: message} }

func yes() reply { return reply{code: codeOK, message: "成功"} }

// verdict is what a code means to the port.
type verdict struct {
	outcome hisadapter.Outcome
	kind    hisadapter.Kind
	message string
}

// verdictOf reads a code. A code outside the protocol fits no rule and is
// therefore Unknown.
func verdictOf(code string) verdict {
	switch code {
	case codeOK:
		return verdict{outcome: hisadapter.Done, message: "成功"}
	case codeDuplicate:
		return verdict{outcome: hisadapter.Find, message: "单据号重复"}
	case codeWrongState:
		return verdict{outcome: hisadapter.Find, message: "单据状态不符"}
	case codeNotFound:
		return verdict{outcome: hisadapter.Find, message: "单据不存在"}
	case codeBusy:
		return verdict{outcome: hisadapter.Busy, message: "系统繁忙,请稍后再试"}
	case codeSignature:
		return verdict{outcome: hisadapter.Misconfigured, message: "签名错误"}
	case codeBadParameter:
		return verdict{outcome: hisadapter.Misconfigured, message: "参数错误"}
	case codeNotOpened:
		return verdict{outcome: hisadapter.Misconfigured, message: "接口未开通"}
	}
	for kind, c := range refusalCodes() {
		if c == code {
			return verdict{outcome: hisadapter.Refused, kind: kind, message: refusalMessage(kind)}
		}
	}
	return verdict{outcome: hisadapter.Unknown}
}

// refusalCodes are the codes of the kinds of refusal.
func refusalCodes() map[hisadapter.Kind]string {
	return map[hisadapter.Kind]string{
		hisadapter.KindOther:      codeRefused,
		hisadapter.Insufficient:   codeInsufficient,
		hisadapter.FreezeLapsed:   codeLapsed,
		hisadapter.PriceChanged:   codePriceChanged,
		hisadapter.AmountMismatch: codeAmountMismatch,
		hisadapter.UnknownDrug:    codeUnknownDrug,
		hisadapter.Stopped:        codeStopped,
		hisadapter.NotDivisible:   codeNotDivisible,
	}
}

func refusalMessage(kind hisadapter.Kind) string {
	switch kind {
	case hisadapter.Insufficient:
		return "库存不足"
	case hisadapter.FreezeLapsed:
		return "预扣已失效"
	case hisadapter.PriceChanged:
		return "药品价格已变动"
	case hisadapter.AmountMismatch:
		return "金额不符"
	case hisadapter.UnknownDrug:
		return "药品不存在"
	case hisadapter.Stopped:
		return "药品已停用"
	case hisadapter.NotDivisible:
		return "该药品不可拆零"
	default:
		return "业务拒绝"
	}
}

// asError is the driver's word for an answer: nil for success.
func asError(op Op, code, message string, shortages []hisadapter.Shortage) error {
	v := verdictOf(code)
	if v.outcome == hisadapter.Done {
		return nil
	}
	return &hisadapter.Error{
		Op: string(op), Outcome: v.outcome, Kind: v.kind, Shortages: shortages, Code: code, Message: message,
	}
}
