package server

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/gateway/server/access"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// judgeEvery is how often the callers of open streams are judged again.
const judgeEvery = 10 * time.Second

// openStreams are those whose callers proved a name. A stream may last for days;
// its caller is judged again and again, as a unary call is each time, and the stream
// ends when he may no longer have it.
type openStreams struct {
	every time.Duration

	mu    sync.Mutex
	open  map[*openStream]struct{}
	timer *time.Timer // of the next round, while there are any
}

type openStream struct {
	judge func() error // why it must end; nil = it may go on
	end   context.CancelCauseFunc
}

func newOpenStreams(every time.Duration) *openStreams {
	return &openStreams{every: every, open: make(map[*openStream]struct{})}
}

// watch judges a stream from now on, until leave is called. One that has no judge
// is nobody's.
func (s *openStreams) watch(judge func() error, end context.CancelCauseFunc) (leave func()) {
	if judge == nil {
		return func() {}
	}
	o := &openStream{judge: judge, end: end}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[o] = struct{}{}
	if len(s.open) == 1 {
		s.timer = time.AfterFunc(s.every, s.round)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, o)
		if len(s.open) == 0 {
			s.timer.Stop()
		}
	}
}

func (s *openStreams) round() {
	s.judge()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) > 0 {
		s.timer.Reset(s.every)
	}
}

// judge judges all of them now.
func (s *openStreams) judge() {
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, o := range open {
		if err := o.judge(); err != nil {
			o.end(err)
		}
	}
}

// JudgeStreams judges the callers of all open streams again, now: after the list of
// callers was read again. Those who may no longer have their stream are told
// UNAUTHENTICATED or PERMISSION_DENIED. It does not wait for the streams to end.
func (s *Server) JudgeStreams() { s.streams.judge() }

// endedError ends a stream that its caller may have no longer.
type endedError struct {
	role *roleError // that he has no longer; nil = he is not known any more
}

func (e *endedError) Error() string {
	if e.role != nil {
		return "the stream ends: " + e.role.Error()
	}
	return "the stream ends: the token or certificate that it began with counts no more"
}

func (e *endedError) zh() string {
	if e.role != nil {
		return "数据流终止：" + e.role.zh()
	}
	return "数据流终止：开始时所用的令牌或证书已失效"
}

// judgeOf judges the caller of a stream by what he showed when it began; nil for a
// stream that nobody needs a name for.
func (i *interceptors) judgeOf(ctx context.Context, method string) func() error {
	if i.access == nil || open(method) {
		return nil
	}
	proof, began := proofOf(ctx), caller(ctx)
	return func() error {
		id, err := i.access(proof)
		if err != nil || id.Name != began.Name {
			return &endedError{}
		}
		if denied, ok := errors.AsType[*roleError](permitted(id, method)); ok {
			return &endedError{role: denied}
		}
		// He may be following an order that only an operator sees.
		if method == hisgatev1.OrderService_WatchOrder_FullMethodName && began.May(access.Operator) && !id.May(access.Operator) {
			return &endedError{role: &roleError{name: id.Name, role: access.Operator}}
		}
		return nil
	}
}

// whyEnded is why hisgate ended a stream, or else err.
func whyEnded(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if ended, ok := errors.AsType[*endedError](cause); ok {
		return ended
	}
	if errors.Is(cause, gateway.ErrClosed) {
		return gateway.ErrClosed
	}
	return err
}

// endAsTold ends a call over gRPC that hisgate wants to end, whatever its handler
// waits for.
func endAsTold(ctx context.Context) {
	why := whyEnded(ctx, nil)
	if call := openCall(ctx); call != nil && why != nil {
		s, _ := toStatus(why)
		_ = call.WriteStatus(s) // the client may be gone
	}
}
