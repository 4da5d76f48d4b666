package httphis

import "slices"

// Op is an operation of a mapping file, under the name that it has there.
type Op string

// The operations.
const (
	OpLogin       Op = "login" // stands under session
	OpQueryStock  Op = "query_stock"
	OpFreeze      Op = "freeze"
	OpUnfreeze    Op = "unfreeze"
	OpPlaceOrder  Op = "place_order"
	OpFindOrder   Op = "find_order"
	OpCancelOrder Op = "cancel_order"
	OpListOrders  Op = "list_orders"
)

// Ops are the operations that a HIS may have, in the order of an order's life.
func Ops() []Op {
	return []Op{OpQueryStock, OpFreeze, OpUnfreeze, OpPlaceOrder, OpFindOrder, OpCancelOrder, OpListOrders}
}

// name is the operation's name in hisadapter.Error.Op.
func (op Op) name() string {
	return map[Op]string{
		OpLogin: "Login", OpQueryStock: "QueryStock", OpFreeze: "Freeze", OpUnfreeze: "Unfreeze", OpPlaceOrder: "PlaceOrder",
		OpFindOrder: "FindOrder", OpCancelOrder: "CancelOrder", OpListOrders: "ListOrders",
	}[op]
}

// reads reports whether the operation changes nothing at the HIS.
func (op Op) reads() bool {
	return slices.Contains([]Op{OpQueryStock, OpFindOrder, OpListOrders}, op)
}

// rowed reports whether the answer has rows, and may have pages.
func (op Op) rowed() bool { return op == OpQueryStock || op == OpListOrders }

// reading is where a mapping file says how the answer is read.
func (op Op) reading() string {
	if op == opMessage {
		return string(op)
	}
	return string(op) + ": answer"
}
