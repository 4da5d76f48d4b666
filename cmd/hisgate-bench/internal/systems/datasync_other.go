//go:build !linux

package systems

import "os"

func datasync(f *os.File) error { return f.Sync() }
