package memengine

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hisgate/hisgate/lockstore/engine"
)

var (
	// ErrCrashed is what a crashed opening answers, and the cause of the unknown
	// outcome of the Apply that the crash met.
	ErrCrashed = errors.New("memengine: crashed")

	// ErrInjected is the cause of a failed Apply when its [Fault] names none.
	ErrInjected = errors.New("memengine: injected fault")
)

// DefaultFree is what Free answers until SetFree says otherwise: 1 TiB.
const DefaultFree = 1 << 40

// Options of a simulated disk.
type Options struct {
	// Sync, when set, is called by each Apply between taking the batch in and
	// making it durable, without a lock held: sleep in it to simulate a slow disk
	// (in a synctest bubble), block in it to gather company or to crash.
	Sync func()
}

// Fault is how an Apply fails. Its caller never learns more than that the
// outcome is unknown.
type Fault struct {
	// Err is the cause that the caller sees; nil is ErrInjected.
	Err error
	// Kept says that the batch is on the disk nevertheless, and will be there at
	// the next opening.
	Kept bool
}

// disk is what outlives an opening.
type disk struct {
	opts Options

	mu       sync.Mutex
	durable  *node
	inFlight *flight // the Apply under way, or the one whose fault said Kept
	epoch    uint64
	free     uint64
	freeErr  error
	fault    *Fault
	current  *Engine // the opening that may use the disk, nil when closed
}

// flight is a batch that is not durable yet.
type flight struct {
	root *node // what durable becomes
}

// Engine is one opening of a simulated disk. It is an [engine.Engine].
type Engine struct {
	disk  *disk
	epoch uint64
	turn  chan struct{} // one token: Apply calls take turns; a channel, so that waiting is durable in a bubble

	// Guarded by disk.mu.
	dead error // what Apply answers: failed, closed or crashed
	over error // what the others answer
}

var _ engine.Engine = (*Engine)(nil)

// New opens a new, empty disk.
func New(opts Options) *Engine {
	d := &disk{opts: opts, free: DefaultFree}
	return d.open()
}

// open makes a new opening, under mu once the disk is shared; the one before has
// ended.
func (d *disk) open() *Engine {
	d.epoch++
	e := &Engine{disk: d, epoch: d.epoch, turn: make(chan struct{}, 1)}
	d.current = e
	return e
}

// Apply implements [engine.Engine]. Beside the contract it fails as told by
// FailNext and by the crashes.
func (e *Engine) Apply(writes []engine.Write) error {
	if len(writes) == 0 {
		return nil
	}
	e.turn <- struct{}{}
	defer func() { <-e.turn }()

	if err := e.begin(writes); err != nil {
		return err
	}
	if e.disk.opts.Sync != nil {
		e.disk.opts.Sync()
	}
	return e.finish()
}

// begin takes the batch in: it is in flight from here on.
func (e *Engine) begin(writes []engine.Write) error {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.dead != nil {
		return e.dead
	}
	if err := engine.CheckWrites(writes); err != nil {
		return err
	}
	root := d.durable
	for _, w := range writes {
		if w.Delete {
			root = root.remove(w.Key)
		} else {
			root = root.put(clone(w.Key), clone(w.Value))
		}
	}
	d.inFlight = &flight{root: root}
	return nil
}

// finish makes the batch in flight durable and visible in one step, unless a
// fault was ordered or the crash came first.
func (e *Engine) finish() error {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.dead != nil { // crashed; the crash has decided what stays
		return e.dead
	}
	fault := d.fault
	d.fault = nil
	switch {
	case fault == nil:
		d.durable = d.inFlight.root
		d.inFlight = nil
		return nil
	case !fault.Kept:
		d.inFlight = nil
	}
	e.dead = unknown(fault.Err)
	e.over = e.dead
	return e.dead
}

// Get implements [engine.Reader].
func (e *Engine) Get(key []byte) ([]byte, error) {
	root, err := e.snapshot()
	if err != nil {
		return nil, err
	}
	return root.valueOf(key)
}

// Scan implements [engine.Reader].
func (e *Engine) Scan(start, end []byte, fn func(key, value []byte) error) error {
	root, err := e.snapshot()
	if err != nil {
		return err
	}
	return root.each(start, end, fn)
}

// View implements [engine.Engine].
func (e *Engine) View(fn func(engine.Reader) error) error {
	root, err := e.snapshot()
	if err != nil {
		return err
	}
	return fn(&view{engine: e, root: root})
}

// snapshot is what readers may see.
func (e *Engine) snapshot() (*node, error) {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.over != nil {
		return nil, e.over
	}
	return d.durable, nil
}

// Epoch implements [engine.Engine].
func (e *Engine) Epoch() uint64 { return e.epoch }

// Free implements [engine.Engine]: it answers what SetFree said.
func (e *Engine) Free() (uint64, error) {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.free, d.freeErr
}

// Close implements [engine.Engine].
func (e *Engine) Close() error {
	e.turn <- struct{}{} // an Apply under way ends first
	defer func() { <-e.turn }()
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	e.end(engine.ErrClosed, engine.ErrClosed)
	return nil
}

// end takes the disk from this opening, under disk.mu. A batch that is still in
// flight turns up at the next opening.
func (e *Engine) end(dead, over error) {
	d := e.disk
	if d.current != e {
		return
	}
	if d.inFlight != nil {
		d.durable = d.inFlight.root
		d.inFlight = nil
	}
	d.current = nil
	e.dead, e.over = dead, over
}

func clone(b []byte) []byte { return append([]byte{}, b...) }

func unknown(cause error) error {
	if cause == nil {
		cause = ErrInjected
	}
	return &engine.UnknownOutcomeError{Cause: fmt.Errorf("memengine: %w", cause)}
}
