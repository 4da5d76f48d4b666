package systems

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
)

// respConn speaks as much of Redis's protocol as the calls need: arrays of
// strings there, one status, error, number, string or nothing back.
type respConn struct {
	net.Conn
	in  *bufio.Reader
	out []byte
}

func dialRESP(ctx context.Context, addr string) (*respConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &respConn{Conn: conn, in: bufio.NewReader(conn)}, nil
}

// do sends one command and waits for its reply. It ends early only when the
// connection is closed.
func (c *respConn) do(args ...string) (string, error) {
	out := append(c.out[:0], '*')
	out = strconv.AppendInt(out, int64(len(args)), 10)
	out = append(out, '\r', '\n')
	for _, a := range args {
		out = append(out, '$')
		out = strconv.AppendInt(out, int64(len(a)), 10)
		out = append(out, '\r', '\n')
		out = append(out, a...)
		out = append(out, '\r', '\n')
	}
	c.out = out
	if _, err := c.Write(out); err != nil {
		return "", err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return "", fmt.Errorf("redis: a reply of %q", line)
	}
	kind, rest := line[0], string(line[1:len(line)-2])
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", fmt.Errorf("redis: %s", rest)
	case '$':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return "", err
		}
		body := make([]byte, n+2)
		if _, err := io.ReadFull(c.in, body); err != nil {
			return "", err
		}
		return string(body[:n]), nil
	default:
		return "", fmt.Errorf("redis: a reply of kind %q", kind)
	}
}
