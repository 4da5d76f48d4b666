//go:build !linux

package main

import (
	"syscall"
)

// failSyncsOnSignal needs seccomp; TestI3AFailedSyncEndsTheProcessWithAClearWord is of
// Linux.
func failSyncsOnSignal(syscall.Errno) {}
