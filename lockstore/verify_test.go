package lockstore_test

import (
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
)

// verify expects nothing to be found in a ledger that the rules have made: not on
// the disk, not in its memory, and not in that of an opening.
func (k *kit) verify() {
	k.Helper()
	differs := func(f lockstore.Finding) { k.Fatalf("%s: %s", f.Key, f.What) }
	// One moment of the disk: locks retire in the background.
	k.must(k.engine().View(func(r engine.Reader) error {
		_, err := lockstore.Verify(k.ctx, r, differs)
		return err
	}))
	k.must(k.Audit(k.ctx, differs))
	o := k.opts
	o.OnCase = nil
	k.must(k.engine().View(func(r engine.Reader) error { return lockstore.Inspect(k.ctx, r, o, differs) }))
}
