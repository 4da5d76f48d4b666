package lockstore

import "time"

// LockRequest asks to hold stock for an order.
type LockRequest struct {
	Principal  string
	OrderNo    string
	PharmacyID string
	Items      []Item // 1 to 100; the same drug twice is summed
	TTL        time.Duration
	Attributes map[string]string
	Owner      bool // expiry asks the owner; payflow only
	// Readings holds one reading for each drug, by drug id. A missing or too
	// old one makes Lock return a *StaleReadingError, and the caller reloads.
	Readings map[string]Reading
	Degraded bool // the readings are older than asked for
	// Paid leaves the safety stock out: it limits new unpaid locks only [A8].
	Paid bool
	// NewAttempt begins attempt n+1 after n was released and is settled [B5].
	// Payflow and case verbs set it; a repeat after a shortage needs it not.
	NewAttempt bool
}

// Query selects locks for List.
type Query struct {
	Principal  string // "" = any
	Statuses   []Status
	PharmacyID string
	DrugID     string
	Since      time.Time // by creation, inclusive; zero = open
	Until      time.Time // exclusive; zero = open
	OrderNo    string    // all attempts of one order
	Cases      bool      // only those that wait for a person
	PageSize   int       // 1 to 500
	PageToken  string    // from the page before
}
