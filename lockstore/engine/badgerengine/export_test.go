package badgerengine

import (
	"errors"
	"testing"
)

// KeysFit says whether the registry of keys of a folder is whole and the key of
// the options fits. An error in other than our words fails the test.
func KeysFit(t *testing.T, dir string, opts Options) bool {
	t.Helper()
	_, err := openKeys(dir, opts.EncryptionKey)
	var open *OpenError
	if err != nil && (!errors.As(err, &open) || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongKey)) {
		t.Errorf("got %v (%T)", err, err)
	}
	return err == nil
}
