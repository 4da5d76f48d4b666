// Package clientaddr says which addresses are one client's, where clients are told
// apart by where they call from.
package clientaddr

import "net/netip"

// Of is the client of an address with a port: the address without it. An IPv6 host
// has a network of 64 bits to call from, so that network counts as one. What is no
// such address, a pipe or a socket in the file system, is a client by its name.
func Of(addr string) string {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return addr
	}
	host := ap.Addr().Unmap().WithZone("")
	if host.Is4() || host.IsLoopback() {
		return host.String()
	}
	return netip.PrefixFrom(host, 64).Masked().String()
}

// Local reports whether an address is this machine's own: a proxy or a mesh there
// speaks for everybody.
func Local(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
