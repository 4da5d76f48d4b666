package sqlhis

import (
	"database/sql"
	"slices"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/sqldb"
	"github.com/hisgate/hisgate/hisadapter/units"
)

// The dialects, as a mapping file names them.
const (
	Postgres  = sqldb.Postgres
	MySQL     = sqldb.MySQL // and MariaDB
	SQLServer = sqldb.SQLServer
	Oracle    = sqldb.Oracle
)

// Mapping is a mapping file that was read and found whole. It is immutable.
type Mapping struct {
	file        string
	dialect     string
	dialectLine int
	connection  connection
	timeout     time.Duration // of one statement
	maxRows     int
	retries     int
	zone        *time.Location
	table       *units.Table
	ratio       units.Ratio
	places      int
	ops         map[string]*operation
}

// connection says how the database is reached. What stands elsewhere in the file
// is added by settings.
type connection struct {
	sqldb.Settings
	line         int
	passwordFile string // read by Open, as passwordEnv is
	passwordEnv  string
	passwordLine int
}

// settings is the connection with what else in the file has a part in it.
func (m *Mapping) settings() sqldb.Settings {
	s := m.connection.Settings
	s.Dialect, s.Zone, s.StatementTimeout = m.dialect, m.zone, m.timeout
	return s
}

// Secrets returns the password, for whoever takes it out of a text.
func (m *Mapping) Secrets() []string {
	if m.connection.Password == "" {
		return nil
	}
	return []string{m.connection.Password}
}

// operation is one of the driver's operations.
type operation struct {
	name      string
	line      int
	tx        string // "driver", "own" or "none"
	isolation sql.IsolationLevel
	steps     []*step
	result    map[string]string // field → captured name
	rows      map[string]source // field → column, of the rows of the last step
	lots      bool
	skip      []match
}

// step is one statement.
type step struct {
	line    int
	sql     statement
	perLine bool
	query   bool
	capture map[string]string // name → column
	out     map[string]bool   // names of OUT parameters
	rules   []rule
}

// asksRatio reports whether the step reads the ratio of a line. Any other step may
// write: a SELECT may call a function that does.
func (s *step) asksRatio() bool {
	_, ok := s.capture["ratio"]
	return ok
}

// source is where a field of a row comes from.
type source struct {
	line   int
	column string
	is     []string // for yes or no: the texts that mean yes
	value  string   // a constant, in place of a column
}

// match is a test of a text.
type match struct {
	line int
	name string // a column, or a captured name
	is   []string
	null *bool
}

// rule says what an end of a step means. All that is stated must hold.
type rule struct {
	line     int
	rows     string // "", "0", "1", "1+" …
	value    match
	sqlState []string // beginnings of
	errors   []string // the database's error numbers
	message  string   // a part of the database's words

	then      action
	outcome   hisadapter.Outcome
	refusal   hisadapter.Kind
	state     hisadapter.State
	available string // captured: what there is, in the HIS's unit
	code      string // captured: the HIS's own code
	words     string // captured: the HIS's own words
}

// aboutError reports whether the rule speaks of a statement that failed.
func (r *rule) aboutError() bool {
	return len(r.sqlState) > 0 || len(r.errors) > 0 || r.message != ""
}

// judged reports whether a rule speaks of the statement's answer. Without one,
// whatever it answers leads on.
func (s *step) judged() bool {
	return slices.ContainsFunc(s.rules, func(r rule) bool { return !r.aboutError() })
}

// action is what follows a rule.
type action uint8

const (
	next   action = iota // go on; done after the last step
	finish               // the operation ends with the rule's outcome
)

// The operations by their names in a mapping file.
const (
	opQuery    = "query_stock"
	opFreeze   = "freeze"
	opUnfreeze = "unfreeze"
	opPlace    = "place_order"
	opFind     = "find_order"
	opCancel   = "cancel_order"
	opList     = "list_orders"
)

// portName is the operation's name in outcomes and logs.
func portName(op string) string {
	switch op {
	case opQuery:
		return "QueryStock"
	case opFreeze:
		return "Freeze"
	case opUnfreeze:
		return "Unfreeze"
	case opPlace:
		return "PlaceOrder"
	case opFind:
		return "FindOrder"
	case opCancel:
		return "CancelOrder"
	default:
		return "ListOrders"
	}
}

func (o *operation) writes() bool {
	switch o.name {
	case opFreeze, opUnfreeze, opPlace, opCancel:
		return true
	default:
		return false
	}
}

// params are the parameters that an operation has from the start.
func (o *operation) params() []string {
	switch o.name {
	case opQuery:
		return []string{"pharmacy_id", "drug_ids", "now"}
	case opFreeze:
		return []string{"his_no", "pharmacy_id", "until", "now"}
	case opUnfreeze:
		return []string{"his_no", "lock_id", "pharmacy_id", "now"}
	case opPlace:
		return []string{"his_no", "lock_id", "pharmacy_id", "drugs_fen", "drugs_yuan", "transaction_id", "paid_at", "now"}
	case opFind:
		return []string{"his_no", "now"}
	case opCancel:
		return []string{"his_no", "his_order_no", "now"}
	default:
		return []string{"day", "day_start", "day_end", "now"}
	}
}

// subject is by which of its parameters an operation says what it is about.
func (o *operation) subject() []string {
	switch o.name {
	case opUnfreeze:
		return []string{"his_no", "lock_id"}
	case opFind:
		return []string{"his_no"}
	case opCancel:
		return []string{"his_no", "his_order_no"}
	case opList:
		return []string{"day", "day_start", "day_end"}
	default:
		return nil
	}
}

// names reports whether a statement of the operation has one of the parameters.
func (o *operation) names(any ...string) bool {
	return o != nil && slices.ContainsFunc(o.steps, func(s *step) bool {
		return slices.ContainsFunc(s.sql.parts, func(p part) bool { return slices.Contains(any, p.name) })
	})
}

// decides reports whether an end, a result or a quantity hangs on what a step
// captures.
func (o *operation) decides(s *step, name string) bool {
	if name == "ratio" {
		return true
	}
	for _, result := range o.result {
		if result == name {
			return true
		}
	}
	at := slices.Index(o.steps, s)
	return slices.ContainsFunc(o.steps[at:], func(s *step) bool {
		return slices.ContainsFunc(s.rules, func(r rule) bool { return r.value.name == name })
	})
}

// hasLines reports whether the operation is about lines of an order, and
// hasAttributes whether it knows the caller's references (:attr_…).
func (o *operation) hasLines() bool {
	return o.name == opFreeze || o.name == opUnfreeze || o.name == opPlace
}
func (o *operation) hasAttributes() bool { return o.name == opFreeze || o.name == opPlace }

// lineParams are the parameters of one line.
func lineParams() []string {
	return []string{"line_no", "drug_id", "quantity", "his_quantity", "line_fen", "line_yuan"}
}

// results are the fields that an operation may name in result.
func (o *operation) results() []string {
	switch o.name {
	case opFreeze:
		return []string{"lock_id", "expires"}
	case opPlace:
		return []string{"order_no"}
	case opFind:
		return []string{"lock_id", "expires", "order_no"}
	default:
		return nil
	}
}

// fields are those of a row, the required ones first.
func (o *operation) fields() (required, possible []string) {
	switch o.name {
	case opQuery:
		return []string{"drug_id", "on_hand"}, []string{"ratio", "multiple", "price", "price_ratio", "name", "unit", "stopped"}
	case opList:
		return []string{"his_no"}, []string{"order_no", "drugs_fen", "drugs_yuan", "drug_id", "quantity", "ratio", "line_fen", "canceled"}
	default:
		return nil, nil
	}
}
