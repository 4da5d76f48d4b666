package lockstore_test

import "github.com/hisgate/hisgate/lockstore"

// verify expects nothing to be found in a ledger that the rules have made: not on
// the disk, not in its memory, and not in that of an opening.
func (k *kit) verify() {
	k.Helper()
	differs := func(f lockstore.Finding) { k.Fatalf("%s: %s", f.Key, f.What) }
	if _, err := lockstore.Verify(k.ctx, k.disk, differs); err != nil {
		k.Fatal(err)
	}
	k.must(k.Audit(k.ctx, differs))
	o := k.opts
	o.OnCase = nil
	k.must(lockstore.Inspect(k.ctx, k.disk, o, differs))
}
