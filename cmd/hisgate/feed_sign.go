package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// feedSignCmd signs a post.
type feedSignCmd struct {
	KeyFile string `required:"" placeholder:"FILE" help:"The file with the key; its first line counts."`
	File    string `arg:"" default:"-" help:"The body; - for standard input."`
}

// Run prints the three headers, as curl's -H @- reads them.
func (c *feedSignCmd) Run(k *kong.Context) error {
	keys, err := FeedWebhook{KeyFile: c.KeyFile}.keys()
	if err != nil {
		return err
	}
	body, err := readMessage(c.File)
	if err != nil {
		return err
	}
	now, nonce := strconv.FormatInt(time.Now().Unix(), 10), uuid.NewString()
	_, err = fmt.Fprintf(k.Stdout, "%s: %s\n%s: %s\n%s: %s\n", feed.TimestampHeader, now, feed.NonceHeader, nonce,
		feed.SignatureHeader, feed.Sign(keys[0], now, nonce, body))
	return err
}
