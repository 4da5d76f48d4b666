package simtest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/backup"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
	"github.com/hisgate/hisgate/payflow"
)

// A share of the stories lose their disk, and an operator restores a backup of
// some time before [B9]:
//
//	backup ───── what is forgotten ────── the disk is gone ── downtime ── recovery
//
// WeChat and the HIS know what is forgotten, and so do the clients; what is due to
// whoever paid must be found out from them.

// kept is a backup, and what hisgate had told by then.
type kept struct {
	stream []byte
	at     time.Time
	said   told
}

// takeBackup makes one of the running folder, as `hisgate ledger backup` does.
func (w *world) takeBackup() {
	w.said.mu.Lock()
	defer w.said.mu.Unlock()
	var b bytes.Buffer
	err := w.currentDisk().View(func(r engine.Reader) error {
		_, err := backup.Write(context.Background(), &b, r, backup.Header{CreatedAt: w.wall(), Version: "simulation"})
		return err
	})
	if err != nil {
		w.later(time.Second, w.takeBackup) // it is just dying
		return
	}
	w.tally.fault("backup: taken")
	w.trace.say("operator", "takes a backup of %d bytes", b.Len())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = &kept{stream: b.Bytes(), at: time.Now(), said: w.said.told.clone()}
}

// throwBack puts a new disk with the backup in the place of the old one, as
// `hisgate ledger restore` does. Nothing of hisgate runs.
func (w *world) throwBack() {
	w.mu.Lock()
	k := w.kept
	w.mu.Unlock()
	var mounted atomic.Bool
	disk := memengine.New(memengine.Options{Sync: func() {
		if mounted.Load() {
			w.sync()
		}
	}})
	must := func(what string, err error) {
		if err != nil {
			w.violated("a backup can be restored", "", "%s: %v", what, err)
		}
	}
	var batch []engine.Write
	_, err := backup.Read(bytes.NewReader(k.stream), func(backup.Header) error { return nil }, func(key, value []byte) error {
		batch = append(batch, engine.Write{Key: slices.Clone(key), Value: slices.Clone(value)})
		return nil
	})
	must("reading", err)
	must("writing", disk.Apply(batch))
	must("looking at the records", disk.View(func(r engine.Reader) error {
		_, err := lockstore.Verify(context.Background(), r, func(f lockstore.Finding) { must(f.Key, errors.New(f.What)) })
		_, orders := payflow.VerifyRecords(context.Background(), r, func(f payflow.Finding) { must(f.Key, errors.New(f.What)) })
		return errors.Join(err, orders)
	}))
	must("marking", lockstore.MarkRestored(disk, w.wall()))
	disk = disk.Reopen()
	w.setDisk(disk)
	mounted.Store(true)
	w.forget(k)
}

// forget takes back what hisgate was told to stand by since the backup.
func (w *world) forget(k *kept) {
	w.said.mu.Lock()
	lost := 0
	for no := range w.said.orders {
		if _, known := k.said.orders[no]; !known {
			lost++
		}
	}
	w.said.told = k.said.clone()
	w.said.mu.Unlock()
	w.tally.fault("restore: the ledger is thrown back")
	if w.thrownBack() {
		w.tally.fault("restore: the ledger is thrown back once more")
	}
	for range lost {
		w.tally.fault("restore: an order is forgotten")
	}
	w.mu.Lock()
	w.backAt = time.Now()
	w.mu.Unlock()
	w.trace.say("operator", "restores the backup of %s; %d orders are forgotten", clock(k.at.Sub(w.trace.start)), lost)
}

// thrownBack tells whether the ledger was restored from a backup.
func (w *world) thrownBack() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.backAt.IsZero()
}

// forgot tells whether hisgate may have forgotten what it was told at the time.
func (w *world) forgot(at time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.backAt.IsZero() && !at.Before(w.kept.at) && !at.After(w.backAt)
}

// leftFrozen are the units that freezes hold which the ledger forgot, by drug: no
// HIS lists its freezes, so only their end, or a person, gives them back.
func (w *world) leftFrozen(ctx context.Context, l *life) map[string]int64 {
	left := map[string]int64{}
	if !w.thrownBack() {
		return left
	}
	for _, o := range w.his.Books().Orders {
		if o.State != hisadapter.Frozen || w.knowsNumber(ctx, l, o.HisNo) {
			continue
		}
		for _, f := range o.Freezes {
			if f.State == hisadapter.Frozen {
				w.tally.fault("restore: a forgotten freeze stays at the HIS")
				for _, line := range f.Lines {
					left[line.DrugID] += line.Quantity
				}
			}
		}
	}
	return left
}

// knowsNumber tells whether the ledger has an attempt with that number.
func (w *world) knowsNumber(ctx context.Context, l *life, hisNo string) bool {
	for i := range w.plan.orders {
		if w.hasAttempt(ctx, l, w.plan.orders[i].no, hisNo) {
			return true
		}
	}
	for i := range w.plan.locks {
		if w.hasAttempt(ctx, l, w.plan.locks[i].no, hisNo) {
			return true
		}
	}
	return false
}

func (w *world) hasAttempt(ctx context.Context, l *life, no, hisNo string) bool {
	if !ownNo(hisNo, no) {
		return false
	}
	all, err := l.gateway.Attempts(ctx, no)
	return err == nil && slices.ContainsFunc(all, func(a lockstore.Lock) bool { return a.HISNo == hisNo })
}

// again is a client who sends an order once more after a restore, because
// hisgate has never heard of it; the patient may pay then.
func (p patient) again() {
	if !p.w.thrownBack() {
		return
	}
	o, ok := p.order()
	if !ok {
		return
	}
	p.w.tally.fault("restore: a client orders once more")
	if p.plan.strategy == payflow.Hold && o.State == payflow.Locked {
		p.prepay()
	}
	if p.w.willing(p.plan.no) {
		time.Sleep(p.w.throw("again", p.plan.no).between(5*time.Second, 5*time.Minute))
		p.w.wechat.pay(p.plan.no, "", false)
	}
}
