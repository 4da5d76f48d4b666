// Package hisgatev1 is the API of hisgate, generated from the .proto files that
// stand beside it. Read those: every message, field and error has its comment
// there.
//
//   - stock.proto: what can be sold now
//   - lock.proto: holding stock for an order (预扣减)
//   - order.proto: an order and its WeChat payment
//   - ops.proto: cases, guard, explanation, proof, export
//   - errors.proto: the reasons of errors, and their details
//
// Programs decide by the reason of an error's google.rpc.ErrorInfo, which is
// the name of a [Reason_Code].
//
// Nothing here is written by hand but this file and openapi.go. `make generate`
// writes the rest anew.
package hisgatev1
