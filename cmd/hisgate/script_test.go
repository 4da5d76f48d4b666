package main

import (
	"encoding/json"
	"errors"
	"maps"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts is the command line as a person meets it: testdata/*.txtar.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true,
		Cmds: scriptCmds(),
		Setup: func(e *testscript.Env) error {
			examples, err := filepath.Abs("../../examples/feed")
			e.Setenv("FEED", examples)
			return err
		},
	})
}

func scriptCmds() map[string]func(*testscript.TestScript, bool, []string) {
	cmds := folderCmds()
	cmds["demoresult"], cmds["status"] = demoResult, exitStatus
	maps.Copy(cmds, legacyCmds())
	maps.Copy(cmds, feedCmds())
	return cmds
}

// exitStatus runs a command and holds its exit status against the first
// argument.
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND…")
	}
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = strconv.Itoa(exit.ExitCode())
	}
	ts.Check(want("the exit status of "+strings.Join(args[1:], " "), code, args[0]))
}

// demoResult reads the one JSON object of the demo: all rows, nothing refunded
// where the stock was held, no invariant broken.
func demoResult(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: demoresult FILE")
	}
	ts.Check(checkDemo([]byte(ts.ReadFile(args[0]))))
}

// checkDemo holds the demo's result against what the strategies promise.
func checkDemo(doc []byte) error {
	var r struct {
		Strategies []struct {
			Strategy                                                        string
			Orders, Paid, Fulfilled, Refunded, Rejected, Oversold, Unproven *int
		}
		InvariantsHold bool `json:"invariants_hold"`
	}
	if err := json.Unmarshal(doc, &r); err != nil {
		return err
	}
	refunds := map[string]bool{"VERIFY": true, "RESERVE": false, "HOLD": false, "REFUND": true, "RESERVE_NO_FREEZE": true}
	for _, s := range r.Strategies {
		wanted, known := refunds[s.Strategy]
		delete(refunds, s.Strategy)
		for _, n := range []*int{s.Orders, s.Paid, s.Fulfilled, s.Refunded, s.Rejected, s.Oversold, s.Unproven} {
			known = known && n != nil
		}
		if !known {
			return want("row "+s.Strategy, "unknown or without a figure", "whole")
		}
		for _, err := range []error{
			want(s.Strategy+" refunds", *s.Refunded > 0, wanted),
			want(s.Strategy+" fulfils", *s.Fulfilled > 0, true),
			want(s.Strategy+" paid less fulfilled less refunded", *s.Paid-*s.Fulfilled-*s.Refunded, 0),
			want(s.Strategy+" oversold", *s.Oversold, 0),
			want(s.Strategy+" unproven", *s.Unproven, 0),
		} {
			if err != nil {
				return err
			}
		}
	}
	if err := want("rows that are missing", len(refunds), 0); err != nil {
		return err
	}
	return want("invariants_hold", r.InvariantsHold, true)
}
