package httphis

import (
	"fmt"
	"os"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/hisadapter/mapfile"
)

// LoadChanges reads a mapping file for messages about changed stock:
//
//	charset: gb18030                          # utf-8 (default), gbk, gb18030
//	tables: {pharmacy: {HLWYF: "0203"}}       # ours: what the messages call it
//	drugs_file: drugs.csv                     # ratios, where the messages do not tell them; as in a mapping of a HIS
//	secrets: {aes_key: {env: FEED_AES_KEY}}   # for decrypt; as in a mapping of a HIS
//	message:
//	  unwrap: [xml]                           # from the bytes to the document, all steps but outcome
//	  skip:                                   # messages that fit one of these are about no change
//	    - {at: /msg/type, is: [heartbeat, price]}
//	  rows: /msg/item                         # one row a change: many in one message are fine
//	  where:                                  # rows that do not fit all of these are nobody's here
//	    - {at: ckdm, is: ["01", "02"]}
//	  lots: sum                               # rows of one drug in a message are its lots, all of them, to be added up
//	  changed: reread                         # whatever a row says, the HIS is asked; on_hand is not needed then
//	  no_figure: reread                       # the same for a row without a figure; without this such a row cannot be read
//	  sequence: source                        # the source's own order; or map the field sequence; or neither
//	  fields:
//	    drug_id: ypdm                         # fields are those of an answer to query_stock
//	    pharmacy_id: {at: yfdm, table: pharmacy}    # rows of pharmacies that no entry names are left out
//	    on_hand: [{at: zjsl, in: pack}, {at: lssl}] # absolute: what is there now
//	    ratio: bzl
//	    sequence: xh                          # a whole number that rises with each change of a drug in a pharmacy
//	    time: {at: gxsj, format: yyyy-MM-dd HH:mm:ss}   # when it changed: measured, and decides nothing
//
// {header: NAME} instead of at reads what the source says beside the body:
// subject, routing_key, key, topic, or a header of that name.
//
// A figure is what the HIS has on its shelf, never a difference: +3 cannot be
// read. A message of a table that has one row for each lot says nothing of the
// other lots: use changed: reread for it.
//
// Everything that is wrong is reported at once, each fault as a *mapfile.Fault, joined.
// The drugs_file is read too; secrets are not.
func LoadChanges(file string) (*ChangeMapping, error) {
	doc, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("mapping file: %w", err)
	}
	l := newLoader(file)
	c := &ChangeMapping{m: l.m, here: map[string][]string{}}
	if n := l.Document(doc); n != nil {
		l.changes(n, c)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	if table := c.call.ans.fields["pharmacy_id"][0].table; table != "" {
		for ours, theirs := range l.m.tables[table] {
			c.here[theirs] = append(c.here[theirs], ours)
		}
		for _, list := range c.here {
			slices.Sort(list)
		}
	}
	return c, nil
}

// ReadSecrets reads the secrets that the mapping names; without them only decrypt
// fails.
func (c *ChangeMapping) ReadSecrets() (err error) {
	c.secrets, err = c.m.secretValues()
	return err
}

// Secrets is Mapping.Secrets.
func (c *ChangeMapping) Secrets() []string { return c.m.Secrets() }

// File is the mapping file, as LoadChanges was given it.
func (c *ChangeMapping) File() string { return c.m.file }

func (l *loader) changes(n *yaml.Node, c *ChangeMapping) {
	var message *yaml.Node
	l.Group(n, "mapping", mapfile.Keys{
		"charset":    func(n *yaml.Node) { l.m.conn.charset = charset(l.oneOf(n, "charset", charsetNames()...)) },
		"tables":     l.tables,
		"drugs_file": l.drugsFile,
		"secrets":    l.secretSources,
		"message":    func(n *yaml.Node) { message = n },
	})
	if message == nil {
		l.At(n, "mapping: message is missing")
		return
	}
	q := &answerLoader{loader: l, op: opMessage}
	q.a = answer{line: message.Line, fields: map[string][]field{}}
	var sequence *yaml.Node
	l.Group(message, "message", mapfile.Keys{
		"unwrap":    func(n *yaml.Node) { q.a.steps = q.steps(n, "message: unwrap", "bytes") },
		"skip":      func(n *yaml.Node) { c.skip = q.skips(n) },
		"rows":      func(n *yaml.Node) { q.a.rows = q.path(n, "message: rows") },
		"where":     q.where,
		"lots":      func(n *yaml.Node) { q.a.sumLots = q.oneOf(n, "message: lots", "sum", "refuse") == "sum" },
		"changed":   func(n *yaml.Node) { c.reread = q.oneOf(n, "message: changed", "reread", "figure") == "reread" },
		"no_figure": func(n *yaml.Node) { c.noFigure = q.oneOf(n, "message: no_figure", "reread", "refuse") == "reread" },
		"sequence":  func(n *yaml.Node) { sequence, c.source = n, q.oneOf(n, "message: sequence", "source") == "source" },
		"fields":    q.fields,
	})
	q.completeChanges(c, sequence)
	c.call = &call{op: opMessage, line: message.Line, ans: q.a}
}

// skips reads the rules of messages that are about no change.
func (q *answerLoader) skips(n *yaml.Node) []rule {
	if n.Kind != yaml.SequenceNode {
		q.At(n, "message: skip: must be a list of conditions")
		return nil
	}
	var out []rule
	for _, e := range n.Content {
		r, ok := q.conditions(mapfile.Follow(e), "message: skip", nil)
		if !ok {
			continue
		}
		if len(r.conds) == 0 || slices.ContainsFunc(r.conds, func(c cond) bool { return c.subject != "at" }) {
			q.Add(r.line, "message: skip: a message is judged by at and one of is, not, contains, matches, empty, not_expired")
			continue
		}
		out = append(out, r)
	}
	return out
}

// completeChanges checks what can be said only of the whole.
func (q *answerLoader) completeChanges(c *ChangeMapping, sequence *yaml.Node) {
	a := &q.a
	if a.steps == nil {
		q.Add(a.line, "message: unwrap is missing: say what a message is written in, such as [xml] or [json]")
	}
	if a.rows == nil {
		q.Add(a.line, "message: rows is missing: where does a change stand? (/ for the document itself)")
	}
	for _, name := range []string{"drug_id", "pharmacy_id"} {
		if len(a.fields[name]) == 0 {
			q.Add(a.line, "message: fields: %s is missing", name)
		}
	}
	if !c.reread && len(a.fields["on_hand"]) == 0 {
		q.Add(a.line, "message: fields: on_hand is missing; write changed: reread if the messages say only that something changed")
	}
	if c.reread && (a.sumLots || c.noFigure) {
		q.Add(a.line, "message: lots and no_figure are about figures, which changed: reread does not look at")
	}
	if f := a.fields["sequence"]; sequence != nil && len(f) > 0 {
		q.At(sequence, "message: sequence: the field of line %d names one already", f[0].line)
	}
	packs := slices.ContainsFunc(a.fields["on_hand"], func(f field) bool { return f.in == "pack" })
	if packs && len(a.fields["ratio"]) == 0 && q.m.drugs == nil {
		q.Add(a.line, "message: something is counted in packs, but no ratio is known: map the field ratio, or name a drugs_file")
	}
}
