// Package badgerengine is the [engine.Engine] on a local folder, over Badger. It
// is the default storage of the ledger and the orders.
//
// # How Badger is used
//
// One Apply is one Badger transaction and one synced write of its log. The
// engine numbers the transactions itself (Badger's managed mode), so a read is a
// look at the newest durable number and never waits for a sync under way.
// Values live in the tree: the port's largest value is below Badger's threshold,
// so its value log stays empty and needs no collection.
//
// # The folder
//
//	MANIFEST    carries a magic number: "this is hisgate's"
//	*.mem       the log of what is not yet in a table; preallocated, see [Reserve]
//	*.sst       sorted tables
//	LOCK        the process id of the owner; the lock itself is on the folder
//	m/format    (key) version of the layout; a later one is refused
//	m/epoch     (key) the number of openings
//	d…          (keys) what the owner stored
//
// The folder belongs to one process at a time. It must be on a local disk: the
// lock, the memory-mapped log and the promise of a sync are worth nothing on
// most network file systems [B8].
//
// # When the disk is full or broken
//
// Badger writes its log through a memory map, so a full disk kills the process
// with SIGBUS instead of an error. Owners keep a reserve [B10]; what was
// acknowledged is there at the next opening. Open verifies all tables before it
// hands out anything, because Badger's iterators pass over a block that they
// cannot read without saying so.
package badgerengine
