//go:build !unix

package privateserver

import "syscall"

// Unprivileged changes nothing where there are no such users.
func Unprivileged(string, string, string) (*syscall.SysProcAttr, error) { return nil, nil }
