package engine

// Write is one change of one key.
type Write struct {
	// Key is what is changed: 1 to [MaxKey] bytes, any bytes.
	Key []byte
	// Value is what is stored: 0 to [MaxValue] bytes, any bytes. Ignored with
	// Delete.
	Value []byte
	// Delete removes the key; removing what is not there is no error.
	Delete bool
}

// Reader shows what an engine holds: that of an [Engine] now, that of a
// [Engine.View] at one moment. Its methods may be called by several goroutines
// at once.
type Reader interface {
	// Get returns the value of the key; the slice belongs to the caller.
	// Errors: [ErrNotFound], [ErrClosed], or what the storage says.
	Get(key []byte) ([]byte, error)

	// Scan calls fn for each key in [start, end) in ascending byte order; a nil
	// or empty start begins at the first key, a nil end goes on to the last. It
	// shows one consistent moment, whatever is applied meanwhile. The slices
	// given to fn are valid during that call only. fn may call Get, Scan and
	// Apply.
	//
	// Errors: whatever fn returns ends the scan and is returned, save [ErrStop],
	// which ends it with nil; [ErrClosed]; or what the storage says. A scan that
	// returned nil without ErrStop has shown every key of the range.
	Scan(start, end []byte, fn func(key, value []byte) error) error

	// Epoch is the number of this opening. It is raised durably each time the
	// storage is opened, so it is larger than at any earlier opening, and at
	// least 1 [B8]. It does not block.
	Epoch() uint64
}

// Engine is an ordered map from binary keys to binary values which survives the
// process. Its methods may be called by several goroutines at once.
//
// Drivers prove themselves with package enginetest.
type Engine interface {
	// Apply makes all writes, or none of them, and returns nil only when they
	// are durable: they survive the death of the process and of the machine. It
	// blocks for at least one disk sync; calls take turns. The writes take
	// effect in their order, so the last of two writes to one key stays. Readers
	// see all of them or none, and not before they are durable. The slices are
	// not kept.
	//
	// Errors: [*InvalidWriteError] and [ErrClosed] mean that nothing was written
	// and change nothing. With any other error the outcome is unknown
	// ([*UnknownOutcomeError]) and the engine is dead: every later Apply, Get and
	// Scan answers the same error without touching the disk.
	Apply(writes []Write) error

	// Get, Scan and Epoch read; a Get shows the newest durable value.
	Reader

	// View calls fn with a Reader that shows one consistent moment in all its
	// calls, whatever is applied meanwhile, and returns what fn returns. The
	// Reader is not to be used after fn. Meanwhile the storage keeps what is
	// overwritten and deleted, so fn should not last for ever. fn may call Apply,
	// but not Close. Errors: fn's; [ErrClosed]; or what the storage says.
	View(fn func(Reader) error) error

	// Free returns the bytes that are left for us on the disk [B10].
	Free() (bytes uint64, err error)

	// Close waits for the Apply under way, and for reads under way or ends them
	// with [ErrClosed]; then it gives the storage back. Calls that begin meanwhile
	// are refused. What Apply acknowledged is safe with or without Close. A second
	// Close answers as the first did. It must not be called from within Scan or
	// View.
	Close() error
}
