package clientaddr_test

import (
	"testing"

	"github.com/hisgate/hisgate/internal/clientaddr"
)

func TestClients(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1:1000":          "192.0.2.1",
		"[::ffff:192.0.2.1]:1000": "192.0.2.1",
		"[2001:db8:1:2:3::1]:443": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:443":      "fe80::/64",
		"[::1]:443":               "::1",
		"pipe":                    "pipe",
	} {
		if got := clientaddr.Of(addr); got != want {
			t.Errorf("%s is %s, want %s", addr, got, want)
		}
	}
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "127.8.0.1:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true,
		"192.0.2.1:1": false, "[2001:db8::1]:1": false, "pipe": false,
	} {
		if got := clientaddr.Local(addr); got != want {
			t.Errorf("%s is local: %t", addr, got)
		}
	}
}
