package server

import (
	"fmt"
	"strings"

	"github.com/hisgate/hisgate/gateway/server/access"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// needs says which role each method needs. What does not stand here nobody may
// call.
var needs = map[string]access.Role{
	hisgatev1.StockService_GetStock_FullMethodName:          access.Reader,
	hisgatev1.StockService_BatchGetStock_FullMethodName:     access.Reader,
	hisgatev1.StockService_WatchStock_FullMethodName:        access.Reader,
	hisgatev1.StockService_ReportStockChange_FullMethodName: access.Reporter,

	hisgatev1.LockService_Lock_FullMethodName:      access.Locker,
	hisgatev1.LockService_Confirm_FullMethodName:   access.Locker,
	hisgatev1.LockService_Release_FullMethodName:   access.Locker,
	hisgatev1.LockService_GetLock_FullMethodName:   access.Locker,
	hisgatev1.LockService_ListLocks_FullMethodName: access.Locker,

	hisgatev1.OrderService_CheckOrder_FullMethodName:  access.Cashier,
	hisgatev1.OrderService_CreateOrder_FullMethodName: access.Cashier,
	hisgatev1.OrderService_PrepayOrder_FullMethodName: access.Cashier,
	hisgatev1.OrderService_GetOrder_FullMethodName:    access.Cashier,
	hisgatev1.OrderService_SyncOrder_FullMethodName:   access.Cashier,
	hisgatev1.OrderService_ListOrders_FullMethodName:  access.Cashier,
	hisgatev1.OrderService_CancelOrder_FullMethodName: access.Cashier,
	hisgatev1.OrderService_WatchOrder_FullMethodName:  access.Cashier,
	hisgatev1.OrderService_RefundOrder_FullMethodName: access.Operator,

	hisgatev1.OpsService_ListCases_FullMethodName:           access.Operator,
	hisgatev1.OpsService_GetCase_FullMethodName:             access.Operator,
	hisgatev1.OpsService_ClaimCase_FullMethodName:           access.Operator,
	hisgatev1.OpsService_HandOverCase_FullMethodName:        access.Operator,
	hisgatev1.OpsService_RecheckCase_FullMethodName:         access.Operator,
	hisgatev1.OpsService_RetryFulfilment_FullMethodName:     access.Operator,
	hisgatev1.OpsService_RefundCase_FullMethodName:          access.Operator,
	hisgatev1.OpsService_MarkFulfilled_FullMethodName:       access.Operator,
	hisgatev1.OpsService_MarkRefunded_FullMethodName:        access.Operator,
	hisgatev1.OpsService_SettleCase_FullMethodName:          access.Operator,
	hisgatev1.OpsService_ResolveLockCase_FullMethodName:     access.Operator,
	hisgatev1.OpsService_GetRefundBrake_FullMethodName:      access.Operator,
	hisgatev1.OpsService_ResumeRefunds_FullMethodName:       access.Operator,
	hisgatev1.OpsService_RunReconciliation_FullMethodName:   access.Operator,
	hisgatev1.OpsService_GetReconciliation_FullMethodName:   access.Operator,
	hisgatev1.OpsService_ListReconciliations_FullMethodName: access.Operator,
	hisgatev1.OpsService_GetGuardState_FullMethodName:       access.Operator,
	hisgatev1.OpsService_Explain_FullMethodName:             access.Operator,
	hisgatev1.OpsService_Proof_FullMethodName:               access.Operator,
	hisgatev1.OpsService_ExportLedger_FullMethodName:        access.Admin, // the whole folder
	hisgatev1.OpsService_VerifyLedger_FullMethodName:        access.Operator,
	hisgatev1.OpsService_Backup_FullMethodName:              access.Admin, // the whole folder
}

const reflectionPrefix = "/grpc.reflection."

// roleFor is the role that a method needs; "" = any known caller's. ok is false
// for a method that nobody may call.
func roleFor(method string) (r access.Role, ok bool) {
	if strings.HasPrefix(method, reflectionPrefix) {
		return "", true
	}
	r, ok = needs[method]
	return r, ok
}

// roleError refuses a known caller.
type roleError struct {
	name     string
	role     access.Role // that is missing; "" = nobody may do this
	pharmacy string      // for which it is missing; "" = for all
}

func (e *roleError) Error() string {
	switch {
	case e.role == "":
		return "nobody may call this method"
	case e.pharmacy != "":
		return fmt.Sprintf("%s has not the role %s for the pharmacy %s", e.name, e.role, e.pharmacy)
	default:
		return fmt.Sprintf("%s has not the role %s", e.name, e.role)
	}
}

func (e *roleError) zh() string {
	switch {
	case e.role == "":
		return "该方法不开放"
	case e.pharmacy != "":
		return fmt.Sprintf("没有权限：需要药房 %s 的 %s 角色", e.pharmacy, e.role)
	default:
		return fmt.Sprintf("没有权限：需要 %s 角色", e.role)
	}
}

// permitted returns nil, or a *roleError.
func permitted(id access.Identity, method string) error {
	switch role, ok := roleFor(method); {
	case !ok:
		return &roleError{name: id.Name}
	case role != "" && !id.May(role):
		return &roleError{name: id.Name, role: role}
	default:
		return nil
	}
}
