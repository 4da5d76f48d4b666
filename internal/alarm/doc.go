// Package alarm tells people what needs them. It looks at the process's own
// metrics every 15 seconds, judges them by one table of rules (Rules), and sends
// what it finds to the webhooks of a WeCom or DingTalk group, for sites that have
// no Prometheus. For those that have one the same table is printed as Prometheus
// rules. What cannot wait for a look, such as a case about money, is told at once
// (Tell).
//
// An alert is one of a rule, or one of an event:
//
//	           holds                holds for Rule.For: told
//	quiet ──────────────► pending ──────────────────────────► firing ◄─┐ each Repeat: told again
//	  ▲                      │ no longer                         │  └──┘
//	  │◄─────────────────────┘                                   │ has not held for Rule.Keep: told that it is over
//	  └──────────────────────────────────────────────────────────┘
//
// An event is told once within Repeat, by its key; it has no end.
//
// Nothing here blocks anybody: a message that finds the queue of a webhook full
// takes the place of the least urgent one in it, and a webhook that hangs or
// refuses is tried again with growing pauses. Messages name no patient: order and
// case numbers, money, deadlines, and texts of this program alone. The address of
// a webhook is a secret, for it holds the key: it stands in no error and no log.
package alarm
