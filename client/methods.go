package client

import hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"

// mayRepeat reports whether a unary method may be called again when its answer was
// lost. Each has its reason in the .proto files.
func mayRepeat(method string) bool {
	switch method {
	// They only read.
	case hisgatev1.StockService_GetStock_FullMethodName,
		hisgatev1.StockService_BatchGetStock_FullMethodName,
		hisgatev1.LockService_GetLock_FullMethodName,
		hisgatev1.LockService_ListLocks_FullMethodName,
		hisgatev1.OrderService_CheckOrder_FullMethodName,
		hisgatev1.OrderService_GetOrder_FullMethodName,
		hisgatev1.OrderService_ListOrders_FullMethodName,
		hisgatev1.OrderService_SyncOrder_FullMethodName, // reads at WeChat Pay
		hisgatev1.OpsService_ListCases_FullMethodName,
		hisgatev1.OpsService_GetCase_FullMethodName,
		hisgatev1.OpsService_GetRefundBrake_FullMethodName,
		hisgatev1.OpsService_GetReconciliation_FullMethodName,
		hisgatev1.OpsService_ListReconciliations_FullMethodName,
		hisgatev1.OpsService_GetGuardState_FullMethodName,
		hisgatev1.OpsService_Explain_FullMethodName,
		hisgatev1.OpsService_Proof_FullMethodName:
		return true
	// The same order_no answers the same.
	case hisgatev1.LockService_Lock_FullMethodName,
		hisgatev1.LockService_Confirm_FullMethodName,
		hisgatev1.LockService_Release_FullMethodName,
		hisgatev1.OrderService_CreateOrder_FullMethodName,
		hisgatev1.OrderService_PrepayOrder_FullMethodName,
		hisgatev1.OrderService_CancelOrder_FullMethodName:
		return true
	// The same request_id answers the same, and is required.
	case hisgatev1.OrderService_RefundOrder_FullMethodName,
		hisgatev1.OpsService_ClaimCase_FullMethodName,
		hisgatev1.OpsService_HandOverCase_FullMethodName,
		hisgatev1.OpsService_RecheckCase_FullMethodName,
		hisgatev1.OpsService_RetryFulfilment_FullMethodName,
		hisgatev1.OpsService_RefundCase_FullMethodName,
		hisgatev1.OpsService_MarkFulfilled_FullMethodName,
		hisgatev1.OpsService_MarkRefunded_FullMethodName,
		hisgatev1.OpsService_SettleCase_FullMethodName,
		hisgatev1.OpsService_ResolveLockCase_FullMethodName,
		hisgatev1.OpsService_ResumeRefunds_FullMethodName:
		return true
	// Figures are absolute, numbered ones are taken once, and none decides a lock.
	case hisgatev1.StockService_ReportStockChange_FullMethodName:
		return true
	default: // what costs too much: VerifyLedger, RunReconciliation; and what is new
		return false
	}
}
