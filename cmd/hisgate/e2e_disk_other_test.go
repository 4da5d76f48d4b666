//go:build !linux

package main

import (
	"os"
	"syscall"
)

// failSyncsOn needs seccomp; TestI3AFailedSyncEndsTheProcessWithAClearWord is of
// Linux.
func failSyncsOn(os.Signal, syscall.Errno) {}
