package server

import (
	"strings"
	"time"
)

// Limits bound what callers ask of hisgate. A client is who it proved to be, or
// else the address that it calls from. A bound of 0 is none. WeChat's callbacks
// do not come this way, and no limit sheds them.
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
}

// DefaultLimits are generous. A site whose callers all come from one address is
// one client, so that a client may have nearly everything.
func DefaultLimits() Limits {
	return Limits{
		ClientRate: 2000, ClientBurst: 4000, Rate: 5000, Burst: 10_000,
		ClientInFlight: 1000, InFlight: 2000, ClientStreams: 500, Streams: 1000,
		Clients: 10_000,
	}
}

const (
	defaultClients = 10_000
	// clientIdle is how long a client that asks nothing is remembered.
	clientIdle = 10 * time.Minute
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

	// scopeStranger is no bound: it keeps those who are refused out of the log.
	scopeStranger scope = "stranger"
)

var scopes = []scope{scopeClientRate, scopeRate, scopeClientInFlight, scopeInFlight, scopeClientStreams, scopeStreams}

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
	default:
		return "too many streams"
	}
}

// kind is how a call is counted.
type kind uint8

const (
	ordinaryCall kind = iota
	settlingCall      // may take the places kept back
	streamCall
)

// kindOf tells unary calls apart. Health checks are free: ok is false.
func kindOf(method string) (k kind, ok bool) {
	switch {
	case strings.HasPrefix(method, "/grpc.health.v1.Health/"):
		return ordinaryCall, false
	case method == "/hisgate.v1.LockService/Confirm", method == "/hisgate.v1.LockService/Release",
		strings.HasPrefix(method, "/hisgate.v1.OpsService/"):
		return settlingCall, true
	default:
		return ordinaryCall, true
	}
}
