// Package client calls hisgate from Go, with the defaults that a caller of a lock
// and payment service needs: a deadline for every call, repeats where a repeat is
// harmless, keepalive, TLS or a loopback address, and errors that carry the reason
// of the API.
//
//	c, err := client.Dial("127.0.0.1:9090", client.Options{TokenFile: "/etc/shop/hisgate.token"})
//	lock, err := c.Locks.Lock(ctx, &hisgatev1.LockRequest{OrderNo: "RX1", …})
//	switch client.ReasonOf(err) {
//	case hisgatev1.Reason_STOCK_INSUFFICIENT: // nothing is held
//	}
//
// # Three kinds of outcome
//
// A call succeeded, or it failed, or nobody knows yet. The third is not the second:
// after a lost connection or OUTCOME_UNKNOWN the stock may be held, the order taken,
// the refund sent. [MayHaveHappened] tells. Then ask again with the same order_no
// (of a verb and of a refund: with the same request_id), now or after a restart,
// until there is an answer. That is safe because hisgate's calls are idempotent by
// these numbers; therefore store the number before the first call, and never take a
// new one because a call failed.
//
//	          ┌── OK ──────────────────► go on
//	call ─────┼── failed, for sure ────► tell the patient
//	   ▲      └── may have happened ─┐
//	   └──── the same number ────────┘
//
// # What is repeated
//
// A unary call is repeated, at most [Options].Attempts times and within its
// deadline, after UNAVAILABLE, and after RESOURCE_EXHAUSTED that says when to come
// again. The pause is the one that hisgate asked for (google.rpc.RetryInfo), else it
// grows from 100 ms; either is lengthened at random, so that callers do not come back
// together. HIS_MISCONFIGURED and DISK_RESERVE are not repeated: only people end
// them. VerifyLedger and RunReconciliation are not repeated either, because they
// cost too much, nor are streams, because only the caller knows what it has seen.
//
// An etag makes a repeat answer ETAG_MISMATCH when the lost call was carried out:
// read the record then.
package client
