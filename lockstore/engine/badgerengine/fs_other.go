//go:build !linux

package badgerengine

import (
	"errors"
	"fmt"
)

// remoteFS cannot tell on this system.
func remoteFS(string) (string, error) { return "", nil }

// freeBytes is not known on this system.
func freeBytes(dir string) (uint64, error) {
	return 0, fmt.Errorf("free space of %s: %w", dir, errors.ErrUnsupported)
}
