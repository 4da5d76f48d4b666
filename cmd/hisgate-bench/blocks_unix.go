//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// allocated is what a file takes of the disk, in bytes.
func allocated(info fs.FileInfo) float64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return float64(st.Blocks) * 512
	}
	return float64(info.Size())
}
