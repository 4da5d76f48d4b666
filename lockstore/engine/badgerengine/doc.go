// Package badgerengine is the [engine.Engine] on a local folder, over Badger. It
// is the default storage of the ledger and the orders.
//
// # How Badger is used
//
// One Apply is one Badger transaction and one disk sync. The engine numbers the
// transactions itself (Badger's managed mode), so a read looks at the newest
// durable one and never waits for a sync under way. On Linux the engine syncs
// Badger's log itself, see wal. On Windows nothing does: there an Apply survives the
// death of the process, and not that of the machine. Values live in the tree: the port's largest value
// is below Badger's threshold, so its value log stays empty and needs no
// collection.
//
// # The folder
//
//	MANIFEST    names the tables; carries a magic number: "this is hisgate's"
//	*.mem       the logs of what is not in a table yet, preallocated as holes
//	*.sst       sorted tables
//	LOCK        the process id of the owner; the lock itself is on the folder
//	m/format    (key) version of the layout; a later one is refused
//	m/epoch     (key) the number of openings
//	m/log/…     (keys) a chain with a link in each log, see chain
//	d…          (keys) what the owner stored
//
// The folder belongs to one process at a time. It must be on a local disk: the
// lock, the memory-mapped log and the promise of a sync are worth little on most
// network file systems [B8].
//
// # When files are damaged
//
// Badger prefers opening to complaining: it leaves out a table whose index is
// broken, ends a log at the first broken record, deletes tables that a cut-off
// MANIFEST forgot, and its iterators pass over a block that they cannot read. For
// a ledger each of these is stock sold twice. So Open looks at everything first:
//
//	prepare ──► lock ──► sync the logs ──► tables and logs whole? ──► Badger opens
//	                                         │ no                        │
//	                                         ▼                           ▼
//	                                     ErrDamaged ◄──── chain, epoch, newest tables there?
//	                                                                     │ yes
//	                                                                     ▼
//	                                                       raise the epoch, add a link
//
// What it cannot tell apart is damage to the last two batches of a log from the
// torn end that a crash leaves; and a log that was cut off by hand.
//
// # When the disk is full
//
// Badger writes through memory maps, so a full disk kills the process with SIGBUS
// instead of an error. Owners keep a reserve of at least [Reserve] [B10]; what
// was acknowledged is there at the next opening.
package badgerengine
