package rabbitfeed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hisgate/hisgate/hisadapter/feed/link"
)

// connection is a connection to a node, until the first trouble.
type connection struct {
	*amqp.Connection
	// calm ends the watch over the beginning: until then the end of the caller's
	// context breaks the connection, because the library's calls have none. It
	// reports whether that has happened.
	calm func() bool
}

// connect tries the nodes in their order. The connection is never mended: the
// feed calls Run again.
func (s Settings) connect(ctx context.Context) (*connection, error) {
	config := amqp.Config{Vhost: s.VHost, Heartbeat: s.Heartbeat, Properties: amqp.NewConnectionProperties()}
	config.Properties.SetClientConnectionName("hisgate " + s.Queue)
	if s.User == "" {
		config.SASL = []amqp.Authentication{&amqp.ExternalAuth{}}
	} else {
		password, err := link.Secret(s.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("password_file: %w", err)
		}
		config.SASL = []amqp.Authentication{&amqp.PlainAuth{Username: s.User, Password: password}}
	}
	scheme := "amqp"
	var err error
	if config.TLSClientConfig, err = s.TLS.Config(); err != nil {
		return nil, err
	}
	if config.TLSClientConfig != nil {
		scheme = "amqps"
	}
	var errs []error
	for _, address := range s.Addresses {
		c := &connection{calm: func() bool { return false }}
		config.Dial = func(network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: s.ConnectTimeout}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			c.calm = func() bool { return !stop() }
			// For the handshake; the library takes it away afterwards.
			return conn, conn.SetDeadline(time.Now().Add(s.ConnectTimeout))
		}
		if c.Connection, err = amqp.DialConfig(scheme+"://"+address+"/", config); err == nil {
			return c, nil
		}
		c.calm()
		errs = append(errs, fmt.Errorf("connect to %s: %w", address, err))
	}
	return nil, errors.Join(errs...)
}

// goodbye is how long a server may take to answer that we leave.
const goodbye = 2 * time.Second

// close ends a connection in good order, if the server answers.
func (c *connection) close() {
	c.calm()
	_ = c.CloseDeadline(time.Now().Add(goodbye))
}

// reason is why a connection, or a channel of it, has ended. closed is what
// NotifyClose gave.
func reason(closed <-chan *amqp.Error) error {
	if e := <-closed; e != nil {
		return fmt.Errorf("connection lost: %w", e)
	}
	return amqp.ErrClosed
}
