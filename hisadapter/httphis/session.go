package httphis

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// session keeps one login for all calls.
//
//	none ──get──► logging in (one for all who wait) ──done──► open
//	  ▲                 │ failed                               │
//	  ├─────────────────┴──── its life is over, or login_again ┘
//	  └── refused, or of no use: nobody logs in for a minute, for a HIS shuts
//	      accounts that go on trying
type session struct {
	spec  *sessionSpec
	login func(ctx context.Context) (*judgement, error)
	now   func() time.Time
	limit time.Duration

	mu      sync.Mutex
	held    *ticket
	under   *pending  // the login under way
	refused error     // why nobody may log in
	until   time.Time // until then
}

// refusedFor is how long a login that was refused is not tried again.
const refusedFor = time.Minute

// ticket is what a login brought. A call that is told to log in again gives
// back the very ticket that it used, so that others' new one stays.
type ticket struct {
	values map[string]value
	until  time.Time // zero = until the HIS says otherwise
}

type pending struct {
	done   chan struct{}
	ticket *ticket
	err    error
}

// get returns the open session, or logs in. It blocks until the login ended or
// ctx did. Its error is an *hisadapter.Error: nothing of the call was sent.
func (s *session) get(ctx context.Context) (*ticket, error) {
	s.mu.Lock()
	if t := s.held; t != nil && (t.until.IsZero() || s.now().Before(t.until)) {
		s.mu.Unlock()
		return t, nil
	}
	p := s.under
	if p == nil {
		if s.refused != nil && s.now().Before(s.until) {
			defer s.mu.Unlock()
			return nil, s.refused
		}
		p = &pending{done: make(chan struct{})}
		s.under = p
		// A caller that gives up must not take the others' login with it.
		go s.run(context.WithoutCancel(ctx), p)
	}
	s.mu.Unlock()
	select {
	case <-p.done:
		return p.ticket, p.err
	case <-ctx.Done():
		return nil, &hisadapter.Error{Outcome: hisadapter.NotSent, Err: fmt.Errorf("waiting for the login: %w", context.Cause(ctx))}
	}
}

// drop ends the session, if it is still the one that t belongs to.
func (s *session) drop(t *ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == t {
		s.held = nil
	}
}

// refuse lets nobody log in for a while.
func (s *session) refuse(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused, s.until = why, s.now().Add(refusedFor)
}

func (s *session) run(ctx context.Context, p *pending) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	begun := s.now()
	j, err := s.login(ctx)
	if err == nil {
		p.ticket, err = s.read(j, begun)
	}
	if err != nil {
		p.err = loginError(err)
	}
	s.mu.Lock()
	s.under, s.held = nil, p.ticket
	s.mu.Unlock()
	if hisadapter.OutcomeOf(p.err) == hisadapter.Misconfigured {
		s.refuse(p.err)
	}
	close(p.done)
}

// read takes token and life from the answer.
func (s *session) read(j *judgement, begun time.Time) (*ticket, error) {
	a := &s.spec.call.ans
	t := &ticket{values: map[string]value{}}
	for name := range s.spec.fields {
		v, err := j.optional(a, name, j.doc)
		if err != nil {
			return nil, j.misfit(OpLogin, err)
		}
		t.values["session."+name] = textOr(v)
	}
	if s.spec.life > 0 {
		t.until = begun.Add(s.spec.life)
	}
	if v, ok := t.values["session.expires_in"]; ok && !v.gone {
		n, err := strconv.ParseInt(v.text, 10, 32)
		if err != nil || n <= 0 {
			return nil, j.misfit(OpLogin, fmt.Errorf("expires_in: %q is not a number of seconds", v.text))
		}
		t.until = earlier(t.until, begun.Add(time.Duration(n)*time.Second*9/10))
	}
	at, err := j.moment(a, "expires", j.doc)
	if err != nil {
		return nil, j.misfit(OpLogin, err)
	}
	if !at.IsZero() {
		t.until = earlier(t.until, at)
	}
	return t, nil
}

// earlier is the earlier of two times of which the first may be none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// loginError is what a failed login means for the call that waits for it: the
// call itself was not sent. A HIS that refuses the login will go on doing so.
func loginError(err error) error {
	out := &hisadapter.Error{Outcome: hisadapter.NotSent, Err: fmt.Errorf("login: %w", err)}
	switch hisadapter.OutcomeOf(err) {
	case hisadapter.Busy:
		out.Outcome = hisadapter.Busy
	case hisadapter.Misconfigured, hisadapter.Refused, hisadapter.Find:
		out.Outcome = hisadapter.Misconfigured
	}
	return out
}
