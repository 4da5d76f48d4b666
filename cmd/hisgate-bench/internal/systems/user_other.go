//go:build !unix

package systems

import "syscall"

func unprivileged(string, string) (*syscall.SysProcAttr, error) { return nil, nil }
