package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/probe"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
	"github.com/hisgate/hisgate/hisadapter/tape"
)

// probeCmd tests a real HIS.
type probeCmd struct {
	mappingFlags `embed:""`
	langFlags    `embed:""`

	Pharmacy string            `default:"HLWYF" help:"Pharmacy id (${default})."`
	Drug     []string          `placeholder:"ID" help:"Drugs that the HIS knows. The first is read, held and ordered; a second one with little stock shows whether orders are taken whole. May be repeated, or separated by commas."`
	Unknown  string            `placeholder:"ID" help:"A drug that the HIS does not know; without it one shaped like the first."`
	MaxBatch int               `placeholder:"N" help:"The largest batch to try; without it his.capabilities.batch_size."`
	Attr     map[string]string `default:"patient_id=HISGATETEST;rx_no=HISGATETEST" placeholder:"NAME=VALUE" help:"References of a test patient (${default})."`

	Write  bool  `help:"Hold stock for a moment and give it back. It needs --max-qty."`
	Place  bool  `help:"With --write: place an order of the smallest quantity as well, and take it back where the HIS can. Where it cannot, the order stays."`
	MaxQty int64 `placeholder:"N" help:"Smallest units of all writes together; repeats count whole."`

	MaxConcurrency int           `default:"8" help:"Ceiling of the ramp of reads at once (${default}); 0 leaves it out."`
	Timeout        time.Duration `default:"10s" help:"One call (${default})."`
	Settle         time.Duration `default:"10s" help:"How long a figure may take to follow a write (${default})."`

	Record string `placeholder:"DIR" help:"Keep the exchanges in a new folder, secrets masked."`
	Replay string `placeholder:"DIR" help:"Run the mapping against what --record kept, without a HIS."`
}

// Run probes and prints the table as it grows. It ends with an error when a step
// failed or something is left at the HIS. An interrupt ends the steps and begins
// the undoing.
func (c *probeCmd) Run(ctx context.Context, k *kong.Context) error {
	setup := probeSetup{begun: time.Now(), now: time.Now, wait: sleep}
	if err := setup.open(c); err != nil {
		return err
	}
	o := setup.options(c)
	chinese := c.chinese()
	s := &shower{out: k.Stdout}
	o.Progress = func(step probe.Step) {
		for _, row := range step.Rows(chinese) {
			s.line("%s", row)
		}
	}
	o.Announce = func(t probe.Text) { s.line("!!  %s", t.In(chinese)) }
	if c.Place && c.Replay == "" {
		s.line("!!  %s", c.say("--place 会在 HIS 中下真实订单并扣减库存；能撤则撤，撤不了的会留下", "--place makes real orders in the HIS and deducts stock; what can be taken back is, the rest stays"))
	}
	s.line("%s", probe.Head(chinese))
	report, err := probe.Run(ctx, o)
	if err != nil {
		return errors.Join(err, setup.close())
	}
	err = errors.Join(s.err, report.Write(k.Stdout, chinese), setup.close())
	if n := setup.unplayed(); n > 0 {
		s.line("\n%s", c.say(fmt.Sprintf("录下的应答还有 %d 个没有问到", n), fmt.Sprintf("%d answers of the tape were not asked for", n)))
	}
	if err == nil && report.Failed() {
		err = errors.New(c.say("探测未全部通过，见上表", "not all is well, see the table"))
	}
	return err
}

// sleep waits, or reports that ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// probeSetup is what a probe runs on: the HIS, or a tape of it.
type probeSetup struct {
	begun  time.Time
	now    func() time.Time
	wait   func(context.Context, time.Duration) error
	seen   sightings
	target *fitted
	tape   *tape.Recorder
	crowd  atomic.Bool // the ramp has begun
	player *tape.Player
	head   tape.Head
}

func (p *probeSetup) open(c *probeCmd) error {
	o := toolOptions{batch: c.MaxBatch, sim: true, http: httphis.Options{Record: p.exchange}}
	if c.Replay != "" {
		return p.openTape(c, o)
	}
	var err error
	if p.target, err = c.mappingFlags.open(o); err != nil {
		return err
	}
	declared := p.target.declared.capabilities()
	if c.MaxBatch > 0 {
		declared.BatchSize = c.MaxBatch
	}
	p.head = tape.Head{
		Begun: p.begun, Seed: probeSeed(p.begun, declared.HisNoMax), Pharmacy: c.Pharmacy, Drugs: c.Drug, Unknown: c.Unknown,
		Batch: declared.BatchSize, HisNoMax: declared.HisNoMax, Write: c.Write, Place: c.Place, MaxQty: c.MaxQty, Attributes: c.Attr,
	}
	p.seen.watch(p.target)
	if c.Record == "" {
		return nil
	}
	if p.target.sim != nil {
		return errors.New("--record keeps what a mapping says and hears; his.driver: simhis has none")
	}
	p.head.SQL = p.target.sql != nil
	if p.tape, err = tape.Record(c.Record, p.head); err != nil {
		return errors.Join(err, p.target.close())
	}
	if p.target.sql != nil {
		p.target.sql.Record(p.attempt)
	}
	return nil
}

// openTape plays what was recorded: with the clock, the numbers and the drugs of
// then.
func (p *probeSetup) openTape(c *probeCmd, o toolOptions) error {
	if c.Record != "" {
		return errors.New("--record and --replay: one of them")
	}
	var err error
	if p.player, err = tape.Play(c.Replay); err != nil {
		return err
	}
	p.head = p.player.Head
	p.now = p.player.Now
	p.wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	o.batch, o.sim, o.offline = p.head.Batch, false, true
	o.http.Now, o.http.Transport = p.now, p.player
	o.now, o.answers = p.now, p.player.SQL
	if p.target, err = c.mappingFlags.open(o); err != nil {
		return err
	}
	if p.head.SQL != (p.target.sql != nil) {
		return errors.Join(fmt.Errorf("%s is not a tape of %s: the one is of a database, the other is not", c.Replay, p.target.file), p.target.close())
	}
	p.seen.watch(p.target)
	return nil
}

func (p *probeSetup) exchange(x httphis.Exchange) {
	p.seen.http(x)
	if p.tape != nil && !p.crowd.Load() {
		p.tape.HTTP(x)
	}
}

// attempt keeps what a database was asked.
func (p *probeSetup) attempt(x sqlhis.Exchange) {
	if !p.crowd.Load() {
		p.tape.SQL(x)
	}
}

func (p *probeSetup) options(c *probeCmd) probe.Options {
	declared := p.target.declared.capabilities()
	declared.BatchSize, declared.HisNoMax = p.head.Batch, p.head.HisNoMax
	o := probe.Options{
		Driver: p.target.driver(), Declared: declared, PharmacyID: p.head.Pharmacy, DrugIDs: p.head.Drugs, Unknown: p.head.Unknown,
		Attributes: p.head.Attributes, Write: p.head.Write, Place: p.head.Place, MaxQty: p.head.MaxQty,
		MaxConcurrency: c.MaxConcurrency, Timeout: c.Timeout, Settle: c.Settle, Seed: p.head.Seed,
		Exchanges: p.seen.take, Now: p.now, Wait: p.wait, Crowd: func() { p.crowd.Store(true) },
	}
	if p.target.http != nil && p.target.http.HasSession() {
		o.Login = func(ctx context.Context) error {
			_, err := p.target.http.Call(ctx, httphis.OpLogin, httphis.Input{})
			return err
		}
	}
	switch {
	case p.player != nil:
		o.MaxConcurrency = 0 // a tape bears everything
	case p.target.http != nil:
		o.Reach = p.target.http.Reach
	case p.target.sql != nil:
		o.Reach = p.target.sql.Reach
	}
	return o
}

// unplayed is how many answers of a tape were left.
func (p *probeSetup) unplayed() int {
	if p.player == nil {
		return 0
	}
	return p.player.Left()
}

func (p *probeSetup) close() error {
	err := p.target.close()
	if p.tape != nil {
		err = errors.Join(err, p.tape.Close())
	}
	return err
}
