// Package payflow drives orders: it holds the stock, lets the patient pay through
// WeChat Pay, makes the HIS order, and gives the money back when there is none,
// so that a patient who paid always gets the drugs or the money.
//
//	CREATED ──► LOCKED ──► AWAITING_PAYMENT ──► PAID ──► FULFILLED
//	   │          │ HOLD waits here │ deadline,   │ HIS refused  │ operator's
//	   ▼          ▼                 ▼ cancel      ▼ for good     ▼ refund
//	REJECTED    CLOSING ◄───────────┘         REFUNDING ◄────────┘ ──► REFUNDED
//	              │ closed at WeChat, verified     │ cannot be refunded,
//	              ▼                                ▼ brake shut
//	            CLOSED ── money arrives late ──► NEEDS_ATTENTION ──► by a person:
//	                      (PAID or REFUNDING)                        PAID / REFUNDING /
//	                                                                 FULFILLED / REFUNDED
//
// VERIFY and REFUND go CREATED → AWAITING_PAYMENT and lock between PAID and
// FULFILLED. The whole table, state by event, is the function next in
// transition.go, the only place where a state is chosen.
//
// # How an order moves
//
// An [Order] is one durable record with its history and the time of its next
// action. A turn of a worker takes the order's key, applies the letters (notices
// of WeChat) that wait for it, asks nextAction what is due, does one step, and
// makes the result durable; then the same again. nextAction reads the record
// alone, so an API call, a callback, a timer and a restart all go on by the same
// code. What an outside call could do is durable before the call: the bytes of a
// prepay, a refund and that it was sent, the wish to confirm (PAID itself).
//
//	API call ─┐                ┌─► HIS pool ──► Locks      (hold, confirm, release)
//	letter ───┼─► local pool ──┤
//	timer ────┘                └─► pay pool ──► PayChannel (prepay, query, close, refund)
//
// The pools are bounded and separate, so that a hanging HIS never keeps an order
// from being closed at WeChat, nor the other way round [D8]. An order whose turn
// panics or fails unexpectedly rests, longer each time, and becomes a case; no
// other order notices.
//
// # On disk
//
// All keys begin with "o/". Active orders (o/a/) and open cases (o/c/) stand apart
// from ended orders (o/e/) and closed cases (o/d/), so that opening costs what is
// active; an ended order is still found by its number, and late money brings it
// back. Letters have keys of their own (o/i/), and an order and the letter that
// changed it are one atomic write. Lists run over an index by time, newest first
// (o/t/, o/u/), late money over one by prescription (o/x/). Records are JSON with a
// format number; fields that a build does not know it keeps.
//
// # What may be concluded
//
// A step that did not succeed is noted as the order's [Trouble] and repeated.
// Unknown is never taken for failed: an order with an unknown outcome at the HIS
// is asked about for ever and never refunded because of it; an order is closed
// only on WeChat's verified word [D2]; a refund leaves only when the HIS cannot
// apply the lock any more [D1]. Whatever takes too long becomes a case besides,
// by the proof obligation that [Service.Proof] checks [D9].
//
// # After a restore
//
// A store that was restored from a backup ([Restore]) knows nothing of what WeChat
// Pay and the HIS did since [B9]. An order of the backup, and for a while each new
// order_no, is asked about at WeChat before anything else is done with it: was it
// paid, and what went back under the refund numbers that hisgate would use. These
// follow from order_no and generation, so a refund that was forgotten is found
// under the number that the next one would have. While the recovery stands no
// order, lock, prepay or refund begins; callbacks are taken as ever.
package payflow
