// Package lockstore is the ledger: it holds stock for orders, so that Σ taken
// never exceeds what the HIS had. It judges in memory, makes every judgement
// durable before it is answered, and asks the HIS nothing itself: the gateway
// does, and tells the ledger what came of it.
//
// # A lock
//
// A lock is one attempt of an order: a quantity of each of its drugs in one
// pharmacy, all or nothing.
//
//	     Lock, to freeze         freeze done             Confirm             order placed
//	(none) ────────────► PENDING ───────────► LOCKED ──────────────► CONFIRMING ────────► CONFIRMED
//	 │  │                 │   │                ▲  │                      │
//	 │  │ Lock, no freeze │   │                │  │ Release,             │ refused for good,
//	 │  └─────────────────┼───┼────────────────┘  │ expire_time          │ cancelled
//	 │                    │   │ released          │                      │
//	 │                    │   │ meanwhile         ├──────────────────────┤ where the HIS
//	 │                    │   └──────────────► RELEASING ◄───────────────┤ may hold a freeze
//	 │           refused, │                       │ unfrozen,            │
//	 │       none, lapsed ▼                       ▼ lapsed, none         │ where it
//	 └───────────────► RELEASED ◄────────────────────────────────────────┘ cannot
//	  Release: a tombstone
//
// The table of status × event stands in transition.go, and nothing else changes
// a status. PENDING, CONFIRMING and RELEASING are intents: they are durable
// before the HIS is asked. A call whose outcome is not known leaves the status
// and marks the lock Unknown; only a verified word of the HIS, or a person, ends
// that. A "none" is believed after a grace time only. What only a person can
// settle is a case: CaseReason says why, and nothing but looks is done meanwhile.
//
// A case about an unknown outcome is over when that is known; all others end with
// the status that they are about, or by a person.
//
// A "none", and the refusal of a repeat, do not prove that a call which was lost
// cannot arrive any more [C1]. OrderSent and FreezeDoubt remember such calls: an
// order that is refused after one stays CONFIRMING with a case, and what ends
// after one is looked at again for a day.
//
// A lock that is CONFIRMING is never released by the clock [B3]. A lock with an
// owner is never released by the clock at all: its owner is asked [B6]. Expiry goes
// by elapsed time; while the wall clock is in doubt nothing expires, and what was
// locked until then has its whole time, over restarts too [B7].
//
// # Availability
//
//	available = on-hand − holds that the reading cannot know of − safety stock,
//	            floored to the drug's multiple, never below 0
//
// A reading cannot know of a hold
//
//   - before the HIS deducts: never;
//   - once it is CONFIRMED: until a reading whose stamp is later than the
//     acknowledgement and which began at least figure_lag after it [A2] [A4];
//   - where figures are net of freezes [A6], and while the HIS holds a freeze
//     for it: until such a reading after the freeze's acknowledgement, and again
//     from the freeze's end less a margin [A7].
//
// Stamps come from the ledger and are taken before a reading is queued; wall
// clocks order nothing. Per key the ledger remembers what it dropped holds
// against and refuses older readings [A1]; a CONFIRMED hold that no reading came
// for is dropped when every usable reading would know of it [A5].
//
// Safety stock limits new unpaid locks only [A8]. A check for an order that
// holds a lock counts older holds only [A9].
//
// # Durability
//
// What was answered is on the disk: it survives the death of the process and of
// the machine. One mutex judges. What a command writes is appended to the group
// commit under that mutex, so that records become durable in the order of
// judgement, and the command returns when its own are. A command that writes
// nothing, a repeat, a refusal, a read, returns when everything judged before it is
// durable [B2]; only Available, which is advice that Lock judges again, and Observe
// do not wait. When a commit fails, waiters and all later commands get
// ErrOutcomeUnknown: the memory is never trusted again, and the process is to end.
//
// On disk an active lock is one key. In memory there are the active locks, with
// holds, timers and counters computed from them, and the tombstones, which are
// bounded. Ended locks are read from the disk, until they are older than the
// retention and purged: all attempts of an order in one commit. An opening refuses
// a folder with a record that it cannot read, or that stands where it does not
// belong. After an opening, whatever may have been under way at the HIS is Unknown
// [B4].
//
// # After a restore
//
// A ledger that was restored from a backup ([MarkRestored]) knows nothing of what
// the HIS did since [B9]. Of every lock that was under way, and for a while of
// every number that is used for the first time, it therefore says AskFirst: the
// gateway asks the HIS what it made of the number, records that as EvRecalled, and
// only then may anything happen to the lock. While [Restore].Recovering no attempt
// begins. Readings, stamps and what holds were dropped against live in memory
// alone, so that no stamp of before the restore can meet one of after it.
package lockstore
