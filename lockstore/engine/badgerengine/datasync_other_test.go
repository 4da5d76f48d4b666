//go:build !linux

package badgerengine_test

import "os"

func datasync(f *os.File) error { return f.Sync() }
