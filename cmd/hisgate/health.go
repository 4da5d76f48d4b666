package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// healthCmd asks a running hisgate whether it takes requests, for systems that
// watch a container by starting a program in it.
type healthCmd struct {
	configFlags `embed:""`
}

// Run prints what listen.ops answers. Degraded is well: without its HIS it still
// holds, releases and takes callbacks.
func (c *healthCmd) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	b, err := fetchOps(ctx, cfg.Listen.Ops, "/readyz")
	if err != nil {
		return nobody("no hisgate answers at listen.ops: %w", err)
	}
	if _, err := os.Stdout.Write(b); err != nil {
		return err
	}
	var answer struct{ Status string }
	if err := json.Unmarshal(b, &answer); err != nil {
		return fmt.Errorf("what listens at %s is no hisgate", cfg.Listen.Ops)
	}
	if answer.Status != "ok" && answer.Status != "degraded" {
		return fmt.Errorf("hisgate takes no requests: %s", answer.Status)
	}
	return nil
}
