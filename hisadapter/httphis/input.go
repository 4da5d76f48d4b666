package httphis

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"time"

	"github.com/google/uuid"

	"github.com/hisgate/hisgate/hisadapter"
)

// Input is what one call of an operation is about. Which of it counts is the
// operation's affair: see the package documentation.
type Input struct {
	PharmacyID    string
	DrugIDs       []string // of query_stock
	Page          int      // of query_stock and list_orders; 0 counts as 1
	HisNo         string
	LockID        string
	HISOrderNo    string
	Lines         []hisadapter.Line
	Until         time.Time
	DrugsFen      int64
	TransactionID string
	PaidAt        time.Time
	Attributes    map[string]string
	Day           time.Time
	Facts         map[string]string // for Render: of drugs that no reading told of; ratio among them
}

// identity is what is fresh in each attempt, and the same all over it.
type identity struct {
	now       time.Time
	messageID string
	nonce     string
}

func newIdentity(now time.Time) (identity, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return identity{}, err
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1e16))
	if err != nil {
		return identity{}, err
	}
	return identity{now, hex.EncodeToString(id[:]), fmt.Sprintf("%016d", n)}, nil
}

// moment is a time that may not have been told.
func moment(t time.Time) value { return value{kind: kTime, time: t, gone: t.IsZero()} }

// env is what the templates of one attempt see. facts may be nil.
func (m *Mapping) env(c *call, in Input, id identity, secrets, session map[string]value, facts func(drugID string) *lineFacts) *env {
	e := &env{
		values: map[string]value{
			"now": moment(id.now), "message_id": text(id.messageID), "nonce": text(id.nonce),
			"pharmacy_id": textOr(in.PharmacyID), "page": number(int64(max(in.Page, 1))), "his_no": textOr(in.HisNo),
			"lock_id": textOr(in.LockID), "his_order_no": textOr(in.HISOrderNo), "until": moment(in.Until),
			"drugs_fen": {kind: kFen, n: in.DrugsFen}, "transaction_id": textOr(in.TransactionID),
			"paid_at": moment(in.PaidAt), "day": moment(in.Day), "drug_id": missing(kText),
		},
		attrs: in.Attributes, tables: m.tables, charset: m.conn.charset, lists: map[string][]map[string]value{},
	}
	maps.Copy(e.values, secrets)
	maps.Copy(e.values, session)
	for name, v := range c.req.values {
		e.values["value."+name] = text(v)
	}
	if len(in.DrugIDs) == 1 {
		e.values["drug_id"] = textOr(in.DrugIDs[0])
	}
	for i, id := range in.DrugIDs {
		e.lists["keys"] = append(e.lists["keys"], map[string]value{"key.drug_id": text(id), "key.index": number(int64(i + 1))})
	}
	for i, l := range in.Lines {
		e.lists["lines"] = append(e.lists["lines"], lineValues(i, l, facts))
	}
	return e
}

func lineValues(i int, l hisadapter.Line, facts func(string) *lineFacts) map[string]value {
	out := map[string]value{
		"line.drug_id": textOr(l.DrugID), "line.index": number(int64(i + 1)),
		"line.fen": {kind: kFen, n: l.LineFen, gone: l.LineFen == 0},
	}
	var known *lineFacts
	if facts != nil {
		known = facts(l.DrugID)
	}
	out["line.quantity"] = value{kind: kQuantity, n: l.Quantity, line: known}
	if known != nil {
		for name, s := range known.facts {
			out["line.fact."+name] = textOr(s)
		}
	}
	return out
}
