package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/badgerengine"
)

// folderCmds are what scripts about data folders need beside hisgate itself.
func folderCmds() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"layfolder": layFolder, "holdfolder": holdFolder, "spoilfolder": spoilFolder, "cutfile": cutFile, "flipbyte": flipByte,
	}
}

// layFolder makes a data folder with a lock in force, one that has ended, and a
// tombstone: layfolder DIR [KEYFILE].
func layFolder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: layfolder DIR [KEYFILE]")
	}
	o := badgerengine.Options{}
	if len(args) == 2 {
		o.EncryptionKey = []byte(ts.ReadFile(args[1]))[:32]
	}
	e, err := badgerengine.Open(ts.MkAbs(args[0]), o)
	ts.Check(err)
	c := engine.NewCommitter(e, engine.CommitterOptions{})
	ctx := context.Background()
	l, err := lockstore.Open(ctx, lockstore.Options{Committer: c, Policy: lockstore.Policy{AtomicItems: true, IdempotentByHisNo: true, Find: true}})
	ts.Check(err)
	for _, no := range []string{"SCRIPT-HELD", "SCRIPT-GONE"} {
		r := lockstore.Reading{Stamp: l.Stamp(), Began: l.Mono(), OnHand: 100}
		_, _, err = l.Lock(ctx, lockstore.LockRequest{
			OrderNo: no, Principal: "local", PharmacyID: "HLWYF", TTL: time.Hour,
			Items:    []lockstore.Item{{DrugID: "00010041", Quantity: 3}, {DrugID: "00010042", Quantity: 1}},
			Readings: map[string]lockstore.Reading{"00010041": r, "00010042": r},
		})
		ts.Check(err)
	}
	for _, no := range []string{"SCRIPT-GONE", "SCRIPT-NEVER"} {
		_, err = l.Release(ctx, "local", no, lockstore.ByCaller)
		ts.Check(err)
	}
	ts.Check(errors.Join(l.Close(), c.Close(), e.Close()))
}

// holdFolder keeps a folder open until the end of the script: holdfolder DIR.
func holdFolder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: holdfolder DIR")
	}
	e, err := badgerengine.Open(ts.MkAbs(args[0]), badgerengine.Options{})
	ts.Check(err)
	ts.Setenv("HOLDER", strconv.Itoa(os.Getpid()))
	ts.Defer(func() { ts.Check(e.Close()) })
}

// spoilFolder stores what no rule would: spoilfolder DIR KEY VALUE.
func spoilFolder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: spoilfolder DIR KEY VALUE")
	}
	e, err := badgerengine.Open(ts.MkAbs(args[0]), badgerengine.Options{})
	ts.Check(err)
	ts.Check(errors.Join(e.Apply([]engine.Write{{Key: []byte(args[1]), Value: []byte(args[2])}}), e.Close()))
}

// cutFile cuts a file in half: cutfile FROM TO.
func cutFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cutfile FROM TO")
	}
	b := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b[:len(b)/2]), 0o600))
}

// flipByte changes one bit in the middle of a file: flipbyte FROM TO.
func flipByte(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flipbyte FROM TO")
	}
	b := []byte(ts.ReadFile(args[0]))
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}
