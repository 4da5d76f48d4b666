package simtest_test

import (
	"context"
	"time"

	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// death is a crash that a durable step met.
type death struct {
	how  string
	step int
	disk *memengine.Engine // the opening that it met
	made chan struct{}     // closed when the plug is pulled
}

// sync is what happens between the moment when a batch leaves for the disk and
// the moment when it is durable. It is a durable step: at each of them the plan
// may pull the plug.
func (w *world) sync() {
	w.mu.Lock()
	w.steps++
	step := w.steps
	how := w.plan.crashes[step]
	if w.calm {
		how = ""
	}
	disk := w.disk
	w.mu.Unlock()
	time.Sleep(w.dice.at("disk", step).between(50*time.Microsecond, 2*time.Millisecond))
	if how == "" || w.currentDisk() != disk {
		return // that opening has ended already
	}
	d := death{how: how, step: step, disk: disk, made: make(chan struct{})}
	switch how {
	case diskLost, diskKept:
		w.trace.say("world", "step %d: %s", step, how)
		w.tally.fault(how)
		disk.FailNext(memengine.Fault{Kept: how == diskKept})
	case dieAfter:
		w.deaths <- d
	default:
		w.deaths <- d
		<-d.made
	}
}

// supervise keeps hisgate running: it pulls the plug when a step says so, starts
// hisgate again after a death, and restarts it when an operator wants to.
func (w *world) supervise(ctx context.Context) {
	restart := time.NewTimer(time.Until(w.trace.start.Add(w.plan.restart)))
	defer restart.Stop()
	lost := time.NewTimer(time.Until(w.trace.start.Add(w.plan.lost)))
	if w.plan.backup == 0 {
		lost.Stop()
	}
	defer lost.Stop()
	for number := 1; ; number++ {
		var l *life
		var err error
		died := w.during(func() { l, err = w.begin(w.currentDisk(), number) })
		switch {
		case !died && err == nil:
			if died = w.live(ctx, l, restart.C, lost.C); !died && ctx.Err() != nil {
				return
			}
		case !died && l.committer.Err() == nil:
			w.violated("hisgate opens what it left", "", "%v", err)
			w.gaveUp = true
			return
		}
		if w.during(l.kill) {
			died = true
		}
		if !died { // the disk failed, or hisgate ended by itself
			w.setDisk(l.disk.Reopen())
		}
		if w.diskLost() {
			lost.Stop()
			w.throwBack()
			time.Sleep(w.plan.repair)
			if again := w.trace.start.Add(w.plan.lostAgain); time.Now().Before(again) {
				lost.Reset(time.Until(again))
			}
		}
		r := w.dice.at("downtime", number)
		time.Sleep(r.between(50*time.Millisecond, pick(r, time.Second, time.Second, 20*time.Second, 3*time.Minute)))
	}
}

// live lets hisgate live until something ends it; true when it died.
func (w *world) live(ctx context.Context, l *life, restart, lost <-chan time.Time) (died bool) {
	w.setAlive(l)
	defer w.setAlive(nil)
	w.afterOpening(l)
	var d death
	for d.disk != w.currentDisk() { // else it was meant for one that has died already
		if d.made != nil {
			close(d.made)
			d.made = nil
		}
		select {
		case d = <-w.deaths:
			continue
		case <-ctx.Done():
			w.setAlive(nil)
			return w.during(func() { l.end(context.Background()) })
		case <-l.committer.Failed():
			return false
		case <-lost:
			w.trace.say("world", "the disk is gone")
			return false
		case <-restart:
			w.tally.fault(restartSoft)
			w.trace.say("world", "%s", restartSoft)
			w.setAlive(nil)
			grace, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			return w.during(func() { l.end(grace) })
		}
	}
	if d.how == dieAfter {
		time.Sleep(w.dice.at("death", d.step).between(time.Nanosecond, 40*time.Millisecond))
	}
	w.pull(d)
	return true
}

// diskLost tells whether the disk is gone, and was not replaced yet.
func (w *world) diskLost() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, replaced := time.Since(w.trace.start), w.backAt.Sub(w.trace.start)
	switch {
	case w.kept == nil || now < w.plan.lost:
		return false
	case w.backAt.IsZero():
		return true
	default:
		return w.plan.lostAgain > 0 && now >= w.plan.lostAgain && replaced < w.plan.lostAgain
	}
}

// pullPlug kills the life, if it is still the one that answers.
func (w *world) pullPlug(l *life) {
	if w.alive() == l {
		w.deaths <- death{how: dieComparing, disk: w.currentDisk(), made: make(chan struct{})}
	}
}

// during runs f to its end; a death that a step of f meets is made true
// meanwhile, and then reported.
func (w *world) during(f func()) (died bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	for {
		select {
		case d := <-w.deaths:
			w.pull(d)
			died = true
		case <-done:
			select { // both at once
			case d := <-w.deaths:
				w.pull(d)
				died = true
			default:
			}
			return died
		}
	}
}

// pull makes a death true, unless another was faster.
func (w *world) pull(d death) {
	defer close(d.made)
	w.setAlive(nil)
	disk := w.currentDisk()
	if d.disk != disk {
		return
	}
	if l := w.opening(); l != nil {
		l.over.Store(true)
	}
	if d.how == dieKept {
		disk = disk.CrashKeepingInFlight()
	} else {
		disk = disk.Crash()
	}
	w.setDisk(disk)
	w.trace.say("world", "step %d: %s", d.step, d.how)
	w.tally.fault(d.how)
}

func (w *world) currentDisk() *memengine.Engine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.disk
}

func (w *world) setDisk(e *memengine.Engine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disk = e
}

// opening is the life that has the disk, also while it comes up or ends.
func (w *world) opening() *life {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

func (w *world) setAlive(l *life) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = l
}

// alive is the life that answers now, nil when none does.
func (w *world) alive() *life {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}
