package link

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Addresses checks the addresses (host:port) of a server, or of several of one
// cluster.
func Addresses(what string, addresses []string) error {
	if len(addresses) == 0 {
		return fmt.Errorf("%s is missing", what)
	}
	var errs []error
	for _, a := range addresses {
		if err := address(a); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	return errors.Join(errs...)
}

// address checks host:port. What could be a password is not repeated.
func address(a string) error {
	if strings.ContainsAny(a, "@/") {
		return errors.New("an address is host:port, without a scheme, a user or a path")
	}
	host, port, err := net.SplitHostPort(a)
	if err != nil || host == "" {
		return fmt.Errorf("%q is not host:port", a)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q: the port is not a number from 1 to 65535", a)
	}
	return nil
}
