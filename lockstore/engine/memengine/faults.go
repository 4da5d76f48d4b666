package memengine

// FailNext makes the Apply that comes next, or the one that is in its Sync, fail
// as told. That is the end of this opening: it answers the same error from then
// on.
func (e *Engine) FailNext(f Fault) {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = &f
}

// SetFree sets what Free answers, from now on and over reopenings.
func (e *Engine) SetFree(bytes uint64, err error) {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free, d.freeErr = bytes, err
}

// Crash pulls the plug and opens the disk again. A batch in flight is lost; what
// Apply acknowledged is there. The opening answers ErrCrashed from now on, its
// Apply under way an unknown outcome. Call it on the newest opening.
func (e *Engine) Crash() *Engine { return e.crash(false) }

// CrashKeepingInFlight is Crash at a later moment: the batch in flight has
// reached the disk, but nobody was told.
func (e *Engine) CrashKeepingInFlight() *Engine { return e.crash(true) }

// Reopen closes the engine and opens the disk again. It waits for an Apply under
// way. Call it on the newest opening.
func (e *Engine) Reopen() *Engine {
	_ = e.Close()
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	e.mustBeLast()
	return d.open()
}

func (e *Engine) crash(keep bool) *Engine {
	d := e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.dead == nil && !keep {
		d.inFlight = nil
	}
	e.end(unknown(ErrCrashed), ErrCrashed)
	e.mustBeLast()
	d.fault = nil
	return d.open()
}

// mustBeLast panics when the disk is open elsewhere: a test that goes on with an
// old opening would prove nothing.
func (e *Engine) mustBeLast() {
	if e.disk.epoch != e.epoch {
		panic("memengine: reopened an opening that is not the newest")
	}
}
