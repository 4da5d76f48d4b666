// Package simtest_test simulates the whole of hisgate, deterministically: the real
// gateway, guard, ledger, group commit and order service, wired as the program
// wires them, over a simulated HIS, WeChat Pay, disk and clock, in one synctest
// bubble. It has tests only.
//
//	patients, services ──► hisgate (life 1, 2, 3 …) ──door──► guard's driver ──► simhis
//	   staff with cases ──►    │        │                                         ▲ counter,
//	      WeChat's notices ──► │        └──channel──► wechat (books) ◄── patients │ staff
//	                           ▼
//	                      memengine: at each durable step the plug may be pulled
//
// A seed decides everything: the plan (what kind of HIS there is, who orders what,
// who pays when, what dies at which durable step, outages, steps of the clock) and,
// call by call, what goes wrong between hisgate, the HIS and WeChat. A decision
// about a call is thrown by its name and number, not from one stream of chance, so
// that one call more changes nothing elsewhere.
//
// After three hours of trouble all of it ends and time runs out, for a day and
// more. Then the invariants I1 to I7 of the design are held against the books of
// the simulated HIS and WeChat, not against hisgate's own word; the proof
// obligation, oversold stock, the guard's limits and both tables of states also
// all along, and after each opening what was answered before it.
//
// WeChat is simulated at the port here (channel, wechat), with its states and
// books: over the wire every call costs two RSA signatures, 2 ms, and a seed has
// hundreds. The channel itself is tested against payflow/wechatsim in its room.
//
// To read: plan_test.go says what can happen, audit_test.go what must never.
package simtest_test
