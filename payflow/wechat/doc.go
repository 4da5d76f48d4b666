// Package wechat is the payment channel of payflow over WeChat Pay API v3, for one direct merchant with one or more
// appids. It signs, sends and verifies with the official SDK (github.com/wechatpay-apiv3/wechatpay-go v0.2.21), and closes
// the traps around it that design §7 names.
//
// Every call ends in exactly one way. Only what WeChat signed is believed:
//
//	            ┌─ 2xx ──► the documented success? ──► nil          (Close: 204 alone)
//	verified ───┤                     └─ no ─────────► Unknown      (202 USER_PAYING, unreadable, another order's)
//	            ├─ 4xx with a code ──────────────────► Refused or Misconfigured, by the table in codes.go
//	            └─ 3xx, 429, 5xx, no code ───────────► Unknown
//	unsigned 401 ────────────────────────────────────► Misconfigured
//	else unsigned, badly signed, stale, probe ───────► Unknown
//	no answer: nothing left this process ────────────► NotSent, else Unknown
//
// No call is repeated here: repeating is the caller's decision, and a repeated prepay sends the bytes of the first.
//
// WeChat signs with a public key (PUB_KEY_ID_…), or with platform certificates that are downloaded with the merchant's
// key, or, while it moves a merchant over, with either. A Channel holds one or both ([Mode]). It opens while WeChat cannot
// be reached: the certificates are fetched in the background, and until they are there, calls end NotSent and callbacks
// are refused with KEYS_UNAVAILABLE, so that WeChat repeats them.
//
// Errors and logs hold no header, key, openid or body: the SDK's own errors, which print whole headers, are taken apart
// here and never wrapped.
package wechat
