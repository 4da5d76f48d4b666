// Command go shows how a Go program calls hisgate, by the package client:
//
//	go run ./examples/clients/go lock RX0001     # hold stock, deduct it, give it back
//	go run ./examples/clients/go order RX000002  # an order, paid by WeChat Pay
//
// It finds hisgate by the environment: HISGATE_ADDR (127.0.0.1:9090),
// HISGATE_TOKEN_FILE, HISGATE_CA_FILE, HISGATE_CERT_FILE, HISGATE_KEY_FILE. With
// HISGATE_SIM_PAY (http://127.0.0.1:9481 of hisgate sim) the simulated patient pays
// at once.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/hisgate/hisgate/client"
)

const (
	pharmacy = "HLWYF"
	drug     = "00010041"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: go lock|order ORDER_NO")
	}
	c, err := dial()
	if err != nil {
		return err
	}
	defer c.Close()
	switch story, no := args[0], args[1]; story {
	case "lock":
		return lock(ctx, c, no)
	case "order":
		return order(ctx, c, no)
	default:
		return fmt.Errorf("no story is named %s", story)
	}
}

// dial reads the environment. Without an authority the connection is plain, which
// client takes for loopback addresses alone.
func dial() (*client.Client, error) {
	o := client.Options{TokenFile: os.Getenv("HISGATE_TOKEN_FILE")}
	if ca := os.Getenv("HISGATE_CA_FILE"); ca != "" {
		var err error
		if o.TLS, err = client.TLSFiles(ca, os.Getenv("HISGATE_CERT_FILE"), os.Getenv("HISGATE_KEY_FILE")); err != nil {
			return nil, err
		}
	}
	return client.Dial(cmp.Or(os.Getenv("HISGATE_ADDR"), "127.0.0.1:9090"), o)
}
