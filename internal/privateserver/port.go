package privateserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// FreePort finds a port on loopback that nobody listens on. It is none of those
// that the kernel gives to outgoing connections: a server that is killed and
// started again finds its port as it left it, whoever connected somewhere
// meanwhile.
func FreePort() (int, error) {
	ports, err := freePorts(1)
	if err != nil {
		return 0, err
	}
	return ports[0], nil
}

// firstPort is the least that FreePort chooses: below are those that services of
// the machine like to have.
const firstPort = 10_000

// portTries bounds the ports that are tried for one.
const portTries = 1000

// freePorts finds so many different ones.
func freePorts(n int) ([]int, error) {
	low, high := outgoing()
	var choice []int
	for port := firstPort; port <= 65535; port++ {
		if port < low || port > high {
			choice = append(choice, port)
		}
	}
	if len(choice) == 0 { // all are given to outgoing connections: the kernel's choice is as good as ours
		choice = []int{0}
	}
	ports := make([]int, 0, n)
	for range n * portTries {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(choice[rand.IntN(len(choice))])))
		if err != nil {
			continue
		}
		defer l.Close() // when all are found: so that they are different ones
		if ports = append(ports, l.Addr().(*net.TCPAddr).Port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no %d free ports on loopback after %d tries", n, n*portTries)
}

// outgoing are the ports that the kernel gives to outgoing connections, both ends
// included.
func outgoing() (low, high int) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, err = fmt.Sscan(string(text), &low, &high)
	}
	if err != nil { // not Linux: the widest range that a system has by default
		return 32768, 65535
	}
	return low, high
}
