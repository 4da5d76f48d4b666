package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/lockstore"
)

// Owner says what becomes of a lock whose time has come and which belongs to an
// order of its own (payflow). It must not wait for the HIS.
type Owner interface {
	LockOwner(ctx context.Context, orderNo string, attempt int) OwnerVerdict
}

// OwnerVerdict is the owner's answer. An owner that does not know the order makes
// a case of the lock; the stock stays held [B6].
type OwnerVerdict struct {
	Known     bool
	Release   bool
	KeepUntil time.Time // set when neither Release nor unknown
}

// AlertMisconfigured is the name of the alert that the HIS refuses our calls as
// such: signature, permission or parameters.
const AlertMisconfigured = "his_misconfigured"

// Alert is something that an operator should know at once. Repeats are the
// receiver's to fold.
type Alert struct {
	Name   string
	Detail string
}

// Options of a gateway. HIS and Ledger are required.
type Options struct {
	HIS      hisadapter.Driver // behind the guard
	Ledger   *lockstore.Ledger // opened with Policy of the same settings
	Settings Settings          // begin with DefaultSettings
	Owner    Owner             // nil = nobody owns locks; see SetOwner
	Logger   *slog.Logger      // nil = silent
	Now      func() time.Time  // nil = time.Now; the ledger's clock must agree with it
	OnAlert  func(Alert)       // optional; must not block
}

// Gateway is the core. Its methods may be called by several goroutines at once,
// except SetOwner.
type Gateway struct {
	his      hisadapter.Driver
	caps     hisadapter.Capabilities
	ledger   *lockstore.Ledger
	settings Settings
	owner    Owner
	now      func() time.Time
	onAlert  func(Alert)
	log      logger

	cache *stockCache
	hub   *hub
	desk  *desk
	reads *reads
	tally tally

	lost    atomic.Bool     // the end of a call could not be recorded
	base    context.Context // of every outside call; outlives its callers
	cancel  context.CancelFunc
	closing chan struct{} // closed when Close begins
	once    sync.Once
}

// Open checks the settings against what the HIS can do and returns a gateway. It
// asks the HIS nothing, so that it opens while the HIS is down. Run must be
// called for locks to expire and for unknown outcomes to be found out; Close ends
// a gateway.
//
// Errors: everything that is wrong with the options, joined.
func Open(o Options) (*Gateway, error) {
	if o.HIS == nil || o.Ledger == nil {
		return nil, errors.New("opening the gateway: a HIS and a ledger are needed")
	}
	caps := o.HIS.Capabilities()
	if err := o.Settings.Validate(caps); err != nil {
		return nil, fmt.Errorf("opening the gateway: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{
		his: o.HIS, caps: caps, ledger: o.Ledger, settings: o.Settings, owner: o.Owner,
		now: o.Now, onAlert: o.OnAlert, log: logger{o.Logger},
		hub:     newHub(o.Settings.MaxWatchers),
		desk:    newDesk(),
		reads:   new(reads),
		closing: make(chan struct{}),
	}
	g.base, g.cancel = context.WithCancel(context.Background())
	g.cache = newStockCache(g)
	return g, nil
}

// SetOwner names the owner of locks; it is called before Run, because payflow
// needs the gateway first.
func (g *Gateway) SetOwner(o Owner) { g.owner = o }

// Run releases what expires, finds out what is unknown, and purges the ledger,
// until ctx ends. It returns nil when its workers have stopped; call Close then.
func (g *Gateway) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	expiry := make(chan struct{}, 1)
	for _, worker := range []func(context.Context){
		func(ctx context.Context) { g.relay(ctx, expiry, g.desk.wake) },
		func(ctx context.Context) { g.expire(ctx, expiry) },
		g.resolve,
		g.purge,
	} {
		wg.Go(func() { worker(ctx) })
	}
	select {
	case <-ctx.Done():
	case <-g.closing:
		cancel()
	}
	wg.Wait()
	return nil
}

// relay passes the ledger's one signal on to everyone who waits for it.
func (g *Gateway) relay(ctx context.Context, to ...chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.ledger.Changed():
		}
		for _, c := range to {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
}

// Close begins no new work and waits until the calls to the HIS that are under
// way have been answered and recorded, at most until ctx ends; then they are cut
// off, and recorded as unknown. Last it notes that no call was lost without a
// trace, so that a lock which a restart interrupts is not doubted for it. It closes
// neither the ledger nor the HIS.
func (g *Gateway) Close(ctx context.Context) {
	g.once.Do(func() { close(g.closing) })
	g.desk.close()
	if !g.desk.drain(ctx) {
		g.cancel()
		g.desk.wg.Wait()
	}
	g.cancel()
	g.cache.Close()
	if g.lost.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restWithin)
	defer cancel()
	if err := g.ledger.Rest(ctx); err != nil {
		g.log.failed("noting that no call is under way", err)
	}
}

// restWithin bounds the last write of a process.
const restWithin = 2 * time.Second

// purge removes old records, now and then.
func (g *Gateway) purge(ctx context.Context) {
	tick := time.NewTicker(g.settings.PurgeEvery)
	defer tick.Stop()
	for {
		if _, err := g.ledger.PurgeAll(ctx); err != nil && ctx.Err() == nil {
			g.log.failed("purging the ledger", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (g *Gateway) alert(a Alert) {
	if g.onAlert != nil {
		g.onAlert(a)
	}
}
