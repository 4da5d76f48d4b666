//go:build !linux && !windows

package main

import "context"

// Where hisgate service install would look.
const (
	serviceConfig = "hisgate.yaml"
	serviceUser   = "hisgate"
)

func newSupervisor(string) (supervisor, error) {
	return nil, nobody("hisgate installs itself under systemd and as a Windows service only")
}

// supervised runs f; nobody watches over it.
func supervised(ctx context.Context, f func(ctx context.Context, up func()) error) error {
	return f(ctx, func() {})
}
