package privateserver_test

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/hisgate/hisgate/internal/privateserver"
)

// A port that an outgoing connection may be given can be taken while its server is
// down.
func TestFreePortIsNoneOfOutgoingConnections(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		text = []byte("32768 65535")
	}
	var low, high int
	if _, err := fmt.Sscan(string(text), &low, &high); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		port, err := privateserver.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if port >= low && port <= high && (low > 10_000 || high < 65535) {
			t.Fatalf("port %d is one of %d to %d", port, low, high)
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}
