package httphis

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// Driver is the hisadapter.Driver of one mapping. Its methods are safe for
// concurrent use.
type Driver struct {
	m       *Mapping
	caps    hisadapter.Capabilities
	base    *url.URL
	secrets map[string]value
	now     func() time.Time
	record  func(Exchange)
	wire    *transport
	session *session
	facts   *factStore
	offline bool
}

var _ hisadapter.Driver = (*Driver)(nil)

// Options are what a driver has beside its mapping. The zero value will do.
type Options struct {
	BaseURL   string            // in the place of the mapping's connection.url
	Now       func() time.Time  // nil = time.Now
	Transport http.RoundTripper // nil = the network; what it answers is not retried
	Record    func(Exchange)    // sees every exchange, secrets masked; must be safe for concurrent use
	// Header adds to the headers of each request what belongs to its context, such
	// as the caller's trace; nil = nothing. It must be safe for concurrent use.
	Header func(context.Context, http.Header)
	// Offline: the secrets are not read but stand-ins used, for Render and Parse
	// where there is no HIS.
	Offline bool
}

// New makes a driver for the HIS that a mapping describes. caps says what the
// HIS can do, as proven; each operation that it claims must be in the mapping.
// New connects to nothing. Its error names everything that is wrong.
func New(m *Mapping, caps hisadapter.Capabilities, o Options) (*Driver, error) {
	d := &Driver{m: m, caps: caps, base: m.conn.url, now: o.Now, record: o.Record, secrets: m.standIns(), facts: newFactStore(maxFacts), offline: o.Offline}
	var errs []error
	if d.now == nil {
		d.now = time.Now
	}
	if o.BaseURL != "" {
		u, err := url.Parse(o.BaseURL)
		if err != nil || u.Host == "" {
			errs = append(errs, fmt.Errorf("%q is not an address", o.BaseURL))
		}
		d.base = u
	}
	if !o.Offline {
		var err error
		d.secrets, err = m.secretValues()
		errs = append(errs, err)
	}
	errs = append(errs, m.fits(caps))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	d.wire = newTransport(m.conn, o.Transport)
	d.wire.header = o.Header
	if m.session != nil {
		d.session = &session{spec: m.session, now: d.now, limit: m.conn.login, login: func(ctx context.Context) (*judgement, error) {
			return d.once(ctx, m.session.call, Input{}, nil, nil)
		}}
	}
	return d, nil
}

// Skew returns how far our clock is ahead of the HIS's by the Date of its latest
// answer; negative: behind. known is false while no answer had one.
func (d *Driver) Skew() (ahead time.Duration, known bool) { return d.wire.skew.Ahead() }

// fits checks that the mapping has what the capabilities claim.
func (m *Mapping) fits(caps hisadapter.Capabilities) error {
	bad := mapfile.Reader{File: m.file}
	for _, x := range []struct {
		claimed bool
		name    string
		op      Op
	}{
		{caps.Freeze, "freeze", OpFreeze},
		{caps.Find, "find", OpFindOrder},
		{caps.Cancel, "cancel", OpCancelOrder},
		{caps.List, "list", OpListOrders},
	} {
		if x.claimed && len(m.ops[x.op]) == 0 {
			bad.Add(0, "the capability %s is claimed, but the mapping has no %s", x.name, x.op)
		}
	}
	for _, op := range []Op{OpFreeze, OpPlaceOrder} {
		for _, c := range m.ops[op] {
			if (caps.Find || caps.IdempotentByHisNo) && !c.names("his_no") && !(op == OpPlaceOrder && c.req.strict["lock_id"]) {
				bad.Add(c.line, "the capability find or idempotent_by_his_no is claimed, but %s never sends {{ his_no }}", op)
			}
		}
	}
	for _, c := range m.ops[OpQueryStock] {
		if caps.BatchSize > 1 && !c.req.uses["keys"] {
			bad.Add(c.line, "query_stock asks for one drug, but the capability batch_size is %d: use {{ each keys }}, or set it to 1", caps.BatchSize)
		}
	}
	return bad.Err()
}

// Capabilities implements hisadapter.Driver.
func (d *Driver) Capabilities() hisadapter.Capabilities { return d.caps }

// perform takes one call of an operation through the HIS, logging in first
// where the mapping has a session, and once more when the HIS asks for it: it
// said then that it did nothing. Its error is an *hisadapter.Error.
func (d *Driver) perform(ctx context.Context, c *call, in Input) (*judgement, error) {
	facts, err := d.knownFacts(ctx, c, in)
	if err != nil {
		return nil, d.named(c.op, err)
	}
	for again := false; ; again = true {
		var t *ticket
		if d.session != nil && c.needsSession() {
			if t, err = d.session.get(ctx); err != nil {
				return nil, d.named(c.op, err)
			}
		}
		j, err := d.once(ctx, c, in, t, facts)
		if err != nil {
			return nil, err
		}
		if !j.verdict.oneOf("login_again") {
			return j, nil
		}
		if again || t == nil {
			err := &hisadapter.Error{
				Op: c.op.name(), Outcome: hisadapter.Misconfigured, Code: j.hidden.apply(j.code), Message: j.hidden.apply(j.message),
				Err: errors.New("the HIS asks for a login right after one"),
			}
			if d.session != nil {
				d.session.refuse(err)
			}
			return nil, err
		}
		d.session.drop(t)
	}
}

// needsSession reports whether the request names anything of the session, or
// the answer may ask for a login.
func (c *call) needsSession() bool {
	if slices.ContainsFunc(c.ans.allRules(), func(r rule) bool { return r.then.word == "login_again" }) {
		return true
	}
	for name := range c.req.uses {
		if strings.HasPrefix(name, "session.") {
			return true
		}
	}
	return false
}

// once writes, sends and judges, once. Its error is an *hisadapter.Error for
// every verdict but those that the operation itself must read.
func (d *Driver) once(ctx context.Context, c *call, in Input, t *ticket, facts func(string) *lineFacts) (*judgement, error) {
	id, err := newIdentity(d.now())
	if err != nil {
		return nil, &hisadapter.Error{Op: c.op.name(), Outcome: hisadapter.NotSent, Err: err}
	}
	var values map[string]value
	if t != nil {
		values = t.values
	}
	m, err := c.write(d.m.env(c, in, id, d.secrets, values, facts), d.base)
	if err != nil {
		return nil, d.named(c.op, err)
	}
	x := d.begin(c, m, id.now)
	r, err := d.wire.send(context.WithValue(ctx, operationKey{}, c.op), m)
	if err != nil {
		err = d.named(c.op, err)
		d.end(x, nil, nil, err)
		return nil, err
	}
	j := c.judge(r, d.m.conn.charset, d.secrets, d.now())
	j.hidden = m.masks.with(d.hidden(c.op, j))
	if bad := j.asError(c.op); bad != nil {
		bad.Shortages = j.shortages(c, in, facts)
		err = bad
	}
	d.end(x, r, j, err)
	return j, err
}

// named puts the operation's name to an error, and makes an *hisadapter.Error
// of what could not be written: nothing was sent, and asking again with the same
// order cannot help, so it is refused and not "not sent".
func (d *Driver) named(op Op, err error) error {
	if e, ok := errors.AsType[*hisadapter.Error](err); ok {
		out := *e
		out.Op = op.name()
		return &out
	}
	out := &hisadapter.Error{Op: op.name(), Outcome: hisadapter.Refused, Err: err}
	if u, ok := errors.AsType[*unsayable](err); ok {
		out.Kind = u.kind
	}
	return out
}

// knownFacts finds what the templates need to know of the drugs. Drugs that no
// recent reading told of are read now.
func (d *Driver) knownFacts(ctx context.Context, c *call, in Input) (func(string) *lineFacts, error) {
	if len(in.Lines) == 0 || !c.needsFacts() {
		return nil, nil
	}
	since := d.now().Add(-d.m.factsMax)
	known := map[string]*lineFacts{}
	var unknown []string
	for _, l := range in.Lines {
		key := hisadapter.Key{PharmacyID: in.PharmacyID, DrugID: l.DrugID}
		if f, fresh := d.facts.get(key, since); fresh {
			known[l.DrugID] = f
		} else if !slices.Contains(unknown, l.DrugID) {
			unknown = append(unknown, l.DrugID)
		}
	}
	for batch := range slices.Chunk(unknown, max(d.caps.BatchSize, 1)) {
		readings, err := d.queryPharmacy(ctx, in.PharmacyID, batch)
		if err != nil {
			return nil, readFirst(err)
		}
		for _, r := range readings {
			// Older ones serve where the HIS leaves out a drug that has no stock
			// just now, be it because this very order holds the last of it.
			f, _ := d.facts.get(r.Key, since)
			if f == nil && r.Err != nil {
				return nil, readFirst(r.Err)
			}
			if f == nil {
				return nil, c.factless(in, r)
			}
			known[r.Key.DrugID] = f
		}
	}
	return func(id string) *lineFacts { return known[id] }, nil
}

// readFirst is the end of a write before which a reading failed: it was not sent,
// whatever became of the reading. A setting that is wrong stays named, for no
// repeat will help.
func readFirst(err error) error {
	out := &hisadapter.Error{Outcome: hisadapter.NotSent, Err: fmt.Errorf("reading the drugs first: %w", err)}
	if hisadapter.OutcomeOf(err) == hisadapter.Misconfigured {
		out.Outcome = hisadapter.Misconfigured
	}
	return out
}

// factless is the end of a write that needs to know a drug of which the HIS says
// nothing. It is refused as the reading has it, but where stock is frozen for the
// order already: then the HIS knew the drug, and a person must look.
func (c *call) factless(in Input, r hisadapter.Reading) error {
	e := &hisadapter.Error{
		Outcome: hisadapter.Refused, Kind: hisadapter.KindOther,
		Err: fmt.Errorf("nothing was sent: the HIS says nothing of drug %s, and the request needs to know it", r.Key.DrugID),
	}
	switch {
	case c.op == OpUnfreeze || in.LockID != "":
	case r.Unknown:
		e.Kind = hisadapter.UnknownDrug
	default:
		e.Kind = hisadapter.Insufficient
		for _, l := range in.Lines {
			if l.DrugID == r.Key.DrugID {
				e.Shortages = append(e.Shortages, hisadapter.Shortage{DrugID: l.DrugID, Requested: l.Quantity, Available: 0})
			}
		}
	}
	return e
}

func (c *call) needsFacts() bool {
	for name := range c.req.uses {
		if name == "packs" || strings.HasPrefix(name, "line.fact.") {
			return true
		}
	}
	return c.ans.shortages != nil && c.ans.shortages.inPacks()
}

func (t *table) inPacks() bool {
	for _, f := range t.fields {
		if f.in == "pack" {
			return true
		}
	}
	return false
}
