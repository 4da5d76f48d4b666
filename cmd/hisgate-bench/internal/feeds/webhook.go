package feeds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// openWebhook posts, signed, over one connection.
func openWebhook(context.Context, string) (*source, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	key := []byte("the key of a measurement")
	hook := &http.Server{ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	client := &http.Client{Transport: &http.Transport{}}
	return &source{
		hand: func(f *feed.Feed) error {
			h, err := feed.NewWebhook(f, key)
			if err != nil {
				return err
			}
			hook.Handler = h
			go func() { served <- hook.Serve(l) }()
			time.Sleep(time.Second) // posts of the second of the start are refused
			return nil
		},
		commit: func(ctx context.Context, drug string, onHand int64) error {
			body := bodyOf(drug, onHand)
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.Addr().String(), bytes.NewReader(body))
			if err != nil {
				return err
			}
			now, nonce := strconv.FormatInt(time.Now().Unix(), 10), uuid.NewString()
			r.Header.Set(feed.TimestampHeader, now)
			r.Header.Set(feed.NonceHeader, nonce)
			r.Header.Set(feed.SignatureHeader, feed.Sign(key, now, nonce, body))
			resp, err := client.Do(r)
			if err != nil {
				return err
			}
			if resp.StatusCode != http.StatusNoContent {
				err = fmt.Errorf("the post was answered %s", resp.Status)
			}
			return errors.Join(err, resp.Body.Close())
		},
		close: func() error {
			client.CloseIdleConnections()
			err := hook.Close()
			if s := <-served; !errors.Is(s, http.ErrServerClosed) {
				err = errors.Join(err, s)
			}
			return err
		},
	}, nil
}
