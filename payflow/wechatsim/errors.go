package wechatsim

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Why the patient cannot pay, or a console refund cannot be made. Pay, PayWith, PayInvoke, PayCodeURL and Refund return
// them, wrapped.
var (
	ErrNoTrade       = errors.New("wechatsim: no such trade")
	ErrAlreadyPaid   = errors.New("wechatsim: the trade is paid already")
	ErrClosed        = errors.New("wechatsim: the trade is closed")
	ErrExpired       = errors.New("wechatsim: the trade is past its time_expire")
	ErrPrepayExpired = errors.New("wechatsim: the prepay_id is older than two hours")
	ErrBadInvoke     = errors.New("wechatsim: the payment parameters are not valid")
	ErrRefused       = errors.New("wechatsim: refused")
)

// detail says where a PARAM_ERROR lies.
type detail struct {
	Field    string `json:"field"`
	Issue    string `json:"issue"`
	Location string `json:"location"`
}

// apiError is an error answer.
type apiError struct {
	Status  int     `json:"-"`
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Detail  *detail `json:"detail,omitempty"`
}

func paramError(field, issue string) *apiError {
	return &apiError{http.StatusBadRequest, "PARAM_ERROR", "参数错误", &detail{field, issue, "body"}}
}

func queryError(field, issue string) *apiError {
	return &apiError{http.StatusBadRequest, "PARAM_ERROR", "参数错误", &detail{field, issue, "query"}}
}

func invalidRequest(message string) *apiError {
	return &apiError{Status: http.StatusBadRequest, Code: "INVALID_REQUEST", Message: message}
}

func signError(message string) *apiError {
	return &apiError{Status: http.StatusUnauthorized, Code: "SIGN_ERROR", Message: message}
}

func notFound(code, message string) *apiError {
	return &apiError{Status: http.StatusNotFound, Code: code, Message: message}
}

// answer is what goes back for a call, before it is signed.
type answer struct {
	status      int
	contentType string
	body        []byte
	unsigned    bool
}

func (s *Sim) failure(e *apiError) answer {
	if s.opts.BareCodes {
		e = &apiError{e.Status, bareCode(e.Code), e.Message, e.Detail}
	}
	a := jsonAnswer(e.Status, e)
	a.unsigned = e.Status == http.StatusUnauthorized || s.opts.UnsignedErrors && e.Status >= 300
	return a
}

// bareCode is the older spelling of the codes about orders and users; the others have only one.
func bareCode(code string) string {
	if strings.HasPrefix(code, "ORDER_") || strings.HasPrefix(code, "USER_P") {
		return strings.ReplaceAll(code, "_", "")
	}
	return code
}

func jsonAnswer(status int, v any) answer {
	body, err := json.Marshal(v)
	if err != nil { // the types above and in this package all encode
		return answer{status: http.StatusInternalServerError}
	}
	return answer{status: status, contentType: "application/json; charset=utf-8", body: body}
}
