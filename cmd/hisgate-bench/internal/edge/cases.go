package edge

import "fmt"

// Part is the name by which all cases together are asked for.
const Part = "edge"

// inFlight is how many callers ask at a time, each again when it has its answer.
const inFlight = 64

// The systems, as tables name them.
const (
	ours       = "hisgate"
	emptyCall  = "empty-call"
	healthCall = "health-call" // an empty call of hisgate itself
	postgres   = "postgres"
	madeUp     = "made-up"
	plainHTTP  = "net/http"
	lockDrugs  = 1000 // among which locks are spread
	stockDrugs = 100  // that are read
	batchDrugs = 3    // of a batch
)

// testCase is one call of hisgate and what it is held against.
type testCase struct {
	name   string
	call   func(s *session, hot, live bool) op
	hot    bool               // every lock wants the same drug
	live   bool               // every lock is judged on a live reading
	peers  []string           // in the order of the tables
	target map[string]float64 // the least ratio to a peer that the design sets
}

// cases in the order in which they run.
func cases() []testCase {
	name := func(what string) string { return fmt.Sprintf("%s-%s-%d", Part, what, inFlight) }
	return []testCase{
		{
			name: name("lock-spread"), call: lockOverGRPC, peers: []string{emptyCall, healthCall, postgres},
			target: map[string]float64{emptyCall: 0.6, postgres: 2.5},
		},
		{
			name: name("lock-hot"), call: lockOverGRPC, hot: true, peers: []string{postgres},
			target: map[string]float64{postgres: 12},
		},
		{
			name: name("stock"), call: stockOverGRPC, peers: []string{madeUp, emptyCall, healthCall},
			target: map[string]float64{madeUp: 0.9},
		},
		{
			name: name("rest-stock"), call: stockOverREST, peers: []string{plainHTTP},
			target: map[string]float64{plainHTTP: 0.5},
		},
		{
			name: name("rest-batch"), call: batchOverREST, peers: []string{plainHTTP},
			target: map[string]float64{plainHTTP: 0.5},
		},
		{name: name("rest-lock"), call: lockOverREST},
		{name: name("lock-live"), call: lockOverGRPC, live: true},
	}
}

// Names of the cases.
func Names() (names []string) {
	for _, c := range cases() {
		names = append(names, c.name)
	}
	return names
}

// Target is the least ratio to a peer that the design sets for a case; 0 = none.
func Target(name, peer string) float64 {
	for _, c := range cases() {
		if c.name == name {
			return c.target[peer]
		}
	}
	return 0
}
