package wechat

import (
	"net/http"
	"slices"
	"strings"

	"github.com/hisgate/hisgate/payflow"
)

// op names a call, in errors and logs.
type op string

const (
	opPrepay      op = "prepay"
	opQuery       op = "query"
	opClose       op = "close"
	opRefund      op = "refund"
	opQueryRefund op = "query_refund"

	opTradeBill    op = "trade_bill"
	opBillDownload op = "bill_download"
)

// What WeChat says of a bill that is not there.
const (
	codeNoStatement       = "NOSTATEMENTEXIST"  // an empty day
	codeStatementCreating = "STATEMENTCREATING" // later
)

// normalCode spells a code the one way in which codes are compared: WeChat writes both ORDERPAID and ORDER_PAID.
func normalCode(code string) string {
	return strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(code), "_", ""))
}

// outcome is what a verified answer other than the documented success means. code is in its normal form.
//
// A refusal is WeChat's word about this order. What is wrong with us (key, permission, parameter) would be wrong with the
// next order as well: Misconfigured, no reason to give up an order, and never one to refund. The tables follow WeChat's
// pages of error codes for each operation; a verified 4xx with a code that stands in none is a refusal.
func (o op) outcome(status int, code string) payflow.ChannelOutcome {
	switch {
	case status == http.StatusUnauthorized || slices.Contains(ourFault, code):
		return payflow.ChannelMisconfigured
	case slices.Contains(refusedAsServerError[o], code):
		return payflow.ChannelRefused
	case status == http.StatusTooManyRequests, status < 400, status >= 500, code == "", slices.Contains(passing, code):
		return payflow.ChannelUnknown
	case slices.Contains(ourFaultIn[o], code):
		return payflow.ChannelMisconfigured
	}
	return payflow.ChannelRefused
}

// ourFault are the codes that mean the same in every operation.
var ourFault = []string{
	"SIGNERROR",          // our signature, serial number or clock
	"NOAUTH",             // the product is not opened for this merchant, or not this order's merchant
	"PARAMERROR",         // a parameter of the wrong form
	"MCHNOTEXISTS",       // the merchant number
	"APPIDMCHIDNOTMATCH", // the appid is not bound to the merchant
	"REQUESTBLOCKED",     // the address this call comes from is not allowed
}

// ourFaultIn are codes that mean so in some operations. INVALID_REQUEST of a prepay or refund is about the order (repeated
// with other parameters, burned by a close, past its end; refunded already, paid more than a year ago). Calls whose only
// parameters are the merchant and a number have no business rule to break.
var ourFaultIn = map[op][]string{
	opQuery:       {"INVALIDREQUEST"},
	opClose:       {"INVALIDREQUEST"},
	opQueryRefund: {"INVALIDREQUEST"},
}

// passing are the codes that say "not now", whatever the status: of USERPAYING it is 202.
var passing = []string{
	"SYSTEMERROR", "BANKERROR", "USERPAYING", "FREQUENCYLIMITED", "FREQUENCYLIMIT", "RATELIMITEXCEEDED", "RATELIMITED",
}

// refusedAsServerError are refusals that WeChat documents under status 500. To ask again is useless: the openid is not one
// of this appid's.
var refusedAsServerError = map[op][]string{opPrepay: {"OPENIDMISMATCH"}}
