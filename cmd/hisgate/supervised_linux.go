package main

import (
	"context"
	"net"
	"os"
)

// supervised runs f and tells systemd, where it has asked for it (Type=notify),
// when hisgate is up and when it begins to end, so that systemctl start waits for
// the first.
func supervised(ctx context.Context, f func(ctx context.Context, up func()) error) error {
	tell := notifier(os.Getenv("NOTIFY_SOCKET"))
	defer context.AfterFunc(ctx, func() { tell("STOPPING=1") })()
	return f(ctx, func() { tell("READY=1") })
}

// notifier tells the socket of systemd; nobody when there is none. That it cannot
// be told is systemd's to notice.
func notifier(socket string) func(state string) {
	if socket == "" {
		return func(string) {}
	}
	return func(state string) {
		conn, err := net.Dial("unixgram", socket)
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte(state))
	}
}
