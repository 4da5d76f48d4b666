package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hisgate/hisgate/internal/alarm"
)

type alertTestCmd struct {
	configFlags `embed:""`
}

// Run tries each webhook; an error when one of them did not take the message.
func (c *alertTestCmd) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return tryWebhooks(ctx, cfg, os.Stdout)
}

func tryWebhooks(ctx context.Context, cfg Config, out io.Writer) error {
	if len(cfg.Alerts.Webhooks) == 0 {
		return errors.New("alerts.webhooks is empty: alerts are sent to nobody")
	}
	failed := 0
	alarm.Try(ctx, cfg.alarmSettings(), func(i int, w alarm.Webhook, answer string, err error) {
		if err != nil {
			failed++
			answer = "FAILED: " + err.Error()
		}
		fmt.Fprintf(out, "alerts.webhooks[%d] %s (%s): %s\n", i, w.Format, w.URLFile, answer)
	})
	if failed > 0 {
		return fmt.Errorf("%d of %d webhooks did not take the message", failed, len(cfg.Alerts.Webhooks))
	}
	return nil
}
