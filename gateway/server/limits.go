package server

import (
	"strings"
	"time"
)

// Limits bound what callers ask of hisgate. A client is who it proved to be, or
// else the address that it calls from. A bound of 0 is none. WeChat's callbacks
// do not come this way: of all limits Connections alone holds for them.
type Limits struct {
	// ClientRate and Rate are calls a second, of one client and of all together;
	// the bursts are how many may come at once. Opening a stream is a call. A tenth
	// of either burst is kept as below.
	ClientRate  float64
	ClientBurst int
	Rate        float64
	Burst       int
	// ClientInFlight and InFlight bound the unary calls under way. A tenth of
	// either is kept for calls that settle or watch over what is held already:
	// Confirm, Release and OpsService.
	ClientInFlight int
	InFlight       int
	// ClientStreams and Streams bound the streams under way.
	ClientStreams int
	Streams       int
	// Clients is how many clients are told apart; 0 = 10,000. When there are
	// more at work at once, the newest share one account.
	Clients int
	// Connections bounds the connections of a listener, and ClientConnections those
	// of one address, where it is not this machine's own.
	Connections       int
	ClientConnections int
	// MessageTime is how long a request may take to come, over gRPC from its header
	// on, over REST its body; 0 = 20 s.
	MessageTime time.Duration
}

// DefaultLimits are generous. A site whose callers all come from one address is
// one client, so that a client may have nearly everything. A client without HTTP/2
// needs a connection for each call and each stream under way.
func DefaultLimits() Limits {
	return Limits{
		ClientRate: 2000, ClientBurst: 4000, Rate: 5000, Burst: 10_000,
		ClientInFlight: 1000, InFlight: 2000, ClientStreams: 500, Streams: 1000,
		Clients: 10_000, Connections: 10_000, ClientConnections: 2000, MessageTime: messageTime,
	}
}

const (
	defaultClients = 10_000
	// clientIdle is how long a client that asks nothing is remembered.
	clientIdle = 10 * time.Minute
	// messageTime is how long a request may take to come.
	messageTime = 20 * time.Second
	// openWaiting is how many calls that need no name may wait for their message, of
	// all addresses together. One more cuts off another, so that nobody fills the
	// memory with them, nor keeps those out who watch over a process.
	openWaiting = 32
	// strangersWaiting is how many requests may be under way by the HTTP connections of
	// nobody known. With one more another such connection is hung up on: over HTTP/2 each
	// could hold hundreds of them, for bodies that do not come, and in answers that
	// nobody takes.
	strangersWaiting = 1000
	// strangeCalls is how many calls may come by a connection over gRPC before somebody
	// known calls; then it ends, strangeRest later. gRPC keeps each answer that its
	// client does not take for as long as there is the connection.
	strangeCalls = 32
	strangeRest  = time.Second
)

// ordinary is the part of a bound on calls that is not kept for settling.
func ordinary(bound int) int { return bound - bound/10 }

// scope names the bound that a call met, as the metric spells it.
type scope string

const (
	scopeClientRate     scope = "client_rate"
	scopeRate           scope = "rate"
	scopeClientInFlight scope = "client_in_flight"
	scopeInFlight       scope = "in_flight"
	scopeClientStreams  scope = "client_streams"
	scopeStreams        scope = "streams"

	scopeClientConnections scope = "client_connections"
	scopeConnections       scope = "connections"

	// scopeStranger is no bound: it keeps those who are refused out of the log.
	scopeStranger scope = "stranger"
)

var scopes = []scope{
	scopeClientRate, scopeRate, scopeClientInFlight, scopeInFlight, scopeClientStreams, scopeStreams,
	scopeClientConnections, scopeConnections,
}

// limitError refuses a call before anything was done.
type limitError struct {
	scope scope
	retry time.Duration // until the rate allows it again; 0 = not known
}

func (e *limitError) Error() string {
	switch e.scope {
	case scopeClientRate:
		return "too many calls a second from this client"
	case scopeRate:
		return "too many calls a second"
	case scopeClientInFlight:
		return "too many calls of this client are under way"
	case scopeInFlight:
		return "too many calls are under way"
	case scopeClientStreams:
		return "too many streams of this client"
	case scopeClientConnections:
		return "too many connections of this client"
	case scopeConnections:
		return "too many connections"
	default:
		return "too many streams"
	}
}

// kind is how a call is counted.
type kind uint8

const (
	ordinaryCall kind = iota
	settlingCall      // may take the places kept back
	strangerCall      // is refused: it may take nothing from those who are known
	streamCall
	healthStream // of somebody without a name: takes no place of those who have one
)

// kindOf tells unary calls apart, those that need a name.
func kindOf(method string) kind {
	switch {
	case method == "/hisgate.v1.LockService/Confirm", method == "/hisgate.v1.LockService/Release",
		strings.HasPrefix(method, "/hisgate.v1.OpsService/"):
		return settlingCall
	default:
		return ordinaryCall
	}
}

// streamKindOf tells streams apart.
func streamKindOf(method string) kind {
	if open(method) {
		return healthStream
	}
	return streamCall
}
