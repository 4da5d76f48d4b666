// Package probe tests a real HIS step by step, and says what is proven of it:
// which capabilities may be switched on, and which stay off because nobody saw
// them.
//
//	reads        connect, login, a drug, an unknown one, batches, again, clock, a number nobody used
//	   │ Write
//	freezes      freeze → figure → find → again → unfreeze → find → figure
//	   │ Place
//	orders       order → find → figure (lag) → again → list → cancel → find → figure
//	   │
//	all or none  an order of two drugs, one of them short
//	   │
//	undo         whatever still stands: found, given back, found again
//	ramp         reads, 1 at a time, 2, 3 … until the HIS refuses or slows down
//
// It never writes without being told to, and never more than MaxQty smallest
// units in all: every write counts whole before it is sent, repeats too, whether
// or not the HIS applies them. Each number it uses begins with HGPROBE. What it
// wrote is undone also when the caller gives up, and what could not be undone is
// said; a write under way is never cut short, so that its answer is heard.
//
// A capability is proven by what was seen, never by what the mapping has: find by
// a number that is not there and one that is; idempotence by a repeat after which
// the figure stood still. What was not seen stays off, and is said so.
package probe
