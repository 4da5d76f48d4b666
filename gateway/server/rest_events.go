package server

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// What is watched can be had as server-sent events: …:watch answers with them
// where the request accepts text/event-stream, and with a line for each message
// otherwise. It is the same stream of the same service, with all that a stream
// passes; an error before the first event is an ordinary answer.
//
//	id: 12                      the order's etag; of stock a running number
//	data: {"order_no":"RX1",…}  an Order, or a StockResult
//
//	: alive                     when nothing else was sent for a while
//
//	event: end                  the order is over: close, do not come again
//	data: {}
//
//	retry: 1000                 or: the stream failed, or hisgate is stopping
//	event: failed
//	data: {"code":14,…}         a google.rpc.Status
const eventStream = "text/event-stream"

const (
	// heartbeat keeps proxies from taking a silent stream for a dead one, and finds
	// out whether somebody still listens.
	heartbeat = 15 * time.Second
	// eventTime bounds the sending of one event to a client that does not read.
	eventTime = 30 * time.Second
)

// The words of an event stream that the server says of itself.
var (
	eventAlive  = []byte(": alive\n\n")
	eventEnd    = []byte("event: end\ndata: {}\n\n")
	eventFailed = []byte("event: failed\n")
	eventData   = []byte("data: ")
	eventID     = []byte("id: ")
)

// eventJSON writes the messages of a stream as events.
type eventJSON struct{ *strictJSON }

// ContentType implements runtime.Marshaler.
func (eventJSON) ContentType(any) string { return eventStream }

// StreamContentType implements runtime.StreamContentType.
func (eventJSON) StreamContentType(any) string { return eventStream }

// Delimiter implements runtime.Delimited.
func (eventJSON) Delimiter() []byte { return []byte("\n\n") }

// Marshal makes an event of what grpc-gateway wraps a message or an error in.
func (e eventJSON) Marshal(v any) ([]byte, error) {
	var head []byte
	var m proto.Message
	switch chunk := v.(type) {
	case map[string]any:
		m, _ = chunk["result"].(proto.Message)
		if r, ok := m.(interface{ GetEtag() string }); ok {
			head = fmt.Appendf(head, "%s%s\n", eventID, r.GetEtag())
		}
	case map[string]proto.Message:
		m = chunk["error"]
		if s, ok := m.(*spb.Status); ok {
			if d, ok := retryDelay(status.FromProto(s)); ok {
				head = fmt.Appendf(head, "retry: %d\n", d.Milliseconds())
			}
		}
		head = append(head, eventFailed...)
	}
	if m == nil {
		return nil, fmt.Errorf("%T is no chunk of a stream", v)
	}
	data, err := e.strictJSON.Marshal(m)
	if err != nil {
		return nil, err
	}
	return append(append(head, eventData...), data...), nil
}

// asEvents lets the watched routes answer with events where those are asked for.
// All others answer as ever, whatever the request accepts.
func asEvents(watched map[string]bool, every time.Duration) runtime.Middleware {
	return func(next runtime.HandlerFunc) runtime.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
			asked := acceptsEvents(r.Header.Values("Accept"))
			r.Header.Del("Accept") // the mux picks the JSON by it
			pattern, _ := runtime.HTTPPattern(r.Context())
			if !asked || !watched[routePath(pattern)] {
				next(w, r, params)
				return
			}
			r.Header.Set("Accept", eventStream)
			ctx, leave := context.WithCancel(r.Context())
			defer leave()
			w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
			e := &eventWriter{ResponseWriter: w, out: http.NewResponseController(w)}
			quiet := e.beat(ctx, every, leave)
			defer quiet()
			next(e, r.WithContext(ctx), params)
			quiet()
			e.finish()
		}
	}
}

// acceptsEvents reports whether an Accept header names event streams.
func acceptsEvents(accept []string) bool {
	for kind := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, params, err := mime.ParseMediaType(kind)
		if err != nil || name != eventStream {
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		return params["q"] == "" || err == nil && q > 0
	}
	return false
}

// eventWriter sends whole events, and a word in between when there are none.
type eventWriter struct {
	http.ResponseWriter
	out *http.ResponseController

	mu     sync.Mutex
	event  []byte // not yet sent
	sent   int    // events
	failed bool   // the last event tells of a failure, or could not be sent
	silent bool   // nothing was sent since the last heartbeat
}

// Write implements http.ResponseWriter. It keeps what it is given until the
// event is whole.
func (w *eventWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes.HasPrefix(p, eventData) {
		w.event = fmt.Appendf(w.event, "%s%d\n", eventID, w.sent+1)
	}
	w.failed = w.failed || bytes.Contains(p[:min(len(p), 64)], eventFailed)
	w.event = append(w.event, p...)
	return len(p), nil
}

// FlushError sends the event; http.ResponseController calls it.
func (w *eventWriter) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent++
	return w.send()
}

// send writes what is there, under mu.
func (w *eventWriter) send() error {
	_ = w.out.SetWriteDeadline(time.Now().Add(eventTime)) // not every writer has a connection
	_, err := w.ResponseWriter.Write(w.event)
	w.event, w.silent = w.event[:0], false
	if err == nil {
		err = w.out.Flush()
	}
	w.failed = w.failed || err != nil
	return err
}

// beat sends a heartbeat when nothing else was sent for so long, until ctx ends
// or quiet is called. gone is called when nobody listens any more.
func (w *eventWriter) beat(ctx context.Context, every time.Duration, gone func()) (quiet func()) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-stop:
				return
			case <-t.C:
				if w.alive() != nil {
					gone()
				}
			}
		}
	})
	return sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
}

// alive sends a heartbeat, once the stream has begun and was silent for a whole
// interval.
func (w *eventWriter) alive() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent == 0 || len(w.event) > 0 {
		return nil
	}
	if !w.silent {
		w.silent = true
		return nil
	}
	w.event = append(w.event, eventAlive...)
	return w.send()
}

// finish sends what is left: the answer of a stream that failed before it began,
// or the last event.
func (w *eventWriter) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent > 0 && !w.failed {
		w.event = append(w.event, eventEnd...)
	}
	if len(w.event) > 0 {
		_ = w.send() // the client may be gone
	}
}
