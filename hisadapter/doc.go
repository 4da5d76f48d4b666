// Package hisadapter is the port to a hospital information system (HIS).
//
// A Driver speaks to one HIS. It does one thing per call and says honestly what
// came of it; it neither caches nor retries. Package guard, around a driver,
// does the waiting, retrying and refusing.
//
// # Outcomes
//
// Every call ends in exactly one outcome. A nil error is Done; any other is an
// *Error that carries it. An error that is not an *Error is Unknown, because
// nothing may be guessed about a call that was on its way.
//
//	Done           the stated success, and only that
//	Refused        a business answer (see Kind); says nothing bad about the HIS
//	Find           "duplicate", "wrong state": ask FindOrder and believe it
//	Busy           the HIS said that it is full and did nothing
//	Misconfigured  signature wrong, not opened, bad parameter: stop asking, alert
//	NotSent        nothing left this process
//	Unknown        timeout, reset, garbage: the call may or may not have applied
//
// # One attempt of an order at the HIS
//
//	none ──Freeze──► frozen ──PlaceOrder──► deducted ──CancelOrder──► released
//	  │                │ └──time──► lapsed      ▲
//	  │                └──Unfreeze──► released  │
//	  └───────────────PlaceOrder (no freeze)────┘
//
// A write's business key is (his_no, operation). It is fixed before the first
// sending and the same in every repeat; only a message id may be fresh.
package hisadapter
