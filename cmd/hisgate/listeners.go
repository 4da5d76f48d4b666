package main

import (
	"fmt"
	"net"
)

// listeners are bound before anything else is opened, so that a busy port is
// found while nothing has begun.
type listeners struct{ grpc, http, webhook, ops net.Listener }

func (l *listeners) open(c Listen) error {
	for _, x := range []struct {
		addr, setting string
		to            *net.Listener
	}{
		{c.GRPC, "listen.grpc", &l.grpc},
		{c.HTTP, "listen.http", &l.http},
		{c.Webhook, "listen.webhook", &l.webhook},
		{c.Ops, "listen.ops", &l.ops},
	} {
		if x.addr == "" {
			continue
		}
		ln, err := net.Listen("tcp", x.addr)
		if err != nil {
			return fmt.Errorf("%s: %w", x.setting, err)
		}
		*x.to = ln
	}
	return nil
}

// public is how many there are that others reach.
func (l *listeners) public() int {
	if l.webhook != nil {
		return 3
	}
	return 2
}

func (l *listeners) close() {
	for _, ln := range []net.Listener{l.grpc, l.http, l.webhook, l.ops} {
		if ln != nil {
			ln.Close()
		}
	}
}
