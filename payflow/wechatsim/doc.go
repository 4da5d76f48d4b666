// Package wechatsim is a WeChat Pay API v3 simulator for one direct merchant: it stands in for api.mch.weixin.qq.com in
// the demo, in development and in tests. It moves no money and knows no hisgate types.
//
// It is strict where WeChat is: every request's WECHATPAY2-SHA256-RSA2048 signature is verified, every answer and every
// notification is signed, notifications are sealed with the APIv3 key and repeated on WeChat's schedule until they are
// answered with 200 or 204. The order of states is WeChat's:
//
//	trade:   (prepay) ──► NOTPAY ──pay──► SUCCESS ──refund accepted──► REFUND
//	                        │                ▲           every refund of it CLOSED │
//	                        └─close──► CLOSED└─────────────────────────────────────┘
//	refund:  (accepted) ──► PROCESSING ──after RefundDelay──► SUCCESS | CLOSED | ABNORMAL
//
// A trade past its time_expire stays NOTPAY, as at WeChat: it can no longer be paid, but only a close makes it CLOSED.
//
// A simulator is opened with [New], served over HTTP by [Sim.Handler] or in process by [Sim.RoundTripper], and delivers
// notifications while [Sim.Run] runs (or on each [Sim.DeliverDue]). The patient is [Sim.Pay]. What goes wrong on the way
// is a list of [Fault] rules ([Sim.Inject]); [Sim.Ledger] returns the books, and [Books.Check] judges them (never refunded
// more than paid, no refund twice).
//
// Over HTTP the same levers stand under /sim/: POST /sim/pay, POST /sim/refund, GET, POST and DELETE /sim/faults,
// GET /sim/ledger. They are open to whoever reaches the port: bind it to loopback.
package wechatsim
