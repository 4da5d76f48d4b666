package simhis

import (
	"fmt"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// The wire form of the control calls.

// span is a duration as people write it: "1.5s".
type span time.Duration

func (s span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

func (s *span) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 1.5s", b)
	}
	*s = span(d)
	return nil
}

// kindName carries a kind of refusal by name.
type kindName hisadapter.Kind

func (k *kindName) UnmarshalText(b []byte) error {
	for kind := range refusalCodes() {
		if kind.String() == string(b) {
			*k = kindName(kind)
			return nil
		}
	}
	return fmt.Errorf("%q is not a kind of refusal", b)
}

type wireSetStock struct {
	wireKey
	OnHand int64 `json:"on_hand"`
}

type wireDrug struct {
	DrugID string `json:"drug_id"`
	wireFacts
}

type wireSell struct {
	wireKey
	Quantity int64 `json:"quantity"`
}

type wireSold struct {
	Sold int64 `json:"sold"`
}

type wireProgram struct {
	wireKey
	Quantity int64 `json:"quantity"`
	Every    span  `json:"every"`
	Times    int   `json:"times,omitempty"`
}

type wireID struct {
	ID int `json:"id"`
}

type wireLapse struct {
	HisNo string `json:"his_no"`
}

type wireLapsed struct {
	Lapsed bool `json:"lapsed"`
}

type wireDown struct {
	Down bool `json:"down"`
}

type wirePace struct {
	Latency span `json:"latency"`
	Jitter  span `json:"jitter"`
	Limit   int  `json:"limit"`
	Linger  span `json:"linger"`
}

type wireFault struct {
	Op      Op       `json:"op,omitempty"`
	What    Trouble  `json:"what"`
	Times   int      `json:"times,omitempty"`
	Chance  float64  `json:"chance,omitempty"`
	HisNo   string   `json:"his_no,omitempty"`
	DrugID  string   `json:"drug_id,omitempty"`
	Kind    kindName `json:"kind,omitempty"`
	Message string   `json:"message,omitempty"`
	Apply   bool     `json:"apply,omitempty"`
	After   span     `json:"after,omitempty"`
}

func (f wireFault) fault() Fault {
	return Fault{
		Op: f.Op, What: f.What, Times: f.Times, Chance: f.Chance, HisNo: f.HisNo, DrugID: f.DrugID,
		Kind: hisadapter.Kind(f.Kind), Message: f.Message, Apply: f.Apply, After: time.Duration(f.After),
	}
}

type wireCapabilities struct {
	Freeze            bool `json:"freeze"`
	FreezeTTL         span `json:"freeze_ttl"`
	NetFigure         bool `json:"net_figure"`
	DeductNeedsFreeze bool `json:"deduct_needs_freeze"`
	Find              bool `json:"find"`
	Cancel            bool `json:"cancel"`
	List              bool `json:"list"`
	IdempotentByHisNo bool `json:"idempotent_by_his_no"`
	AtomicItems       bool `json:"atomic_items"`
	BatchSize         int  `json:"batch_size"`
	HisNoMax          int  `json:"his_no_max"`
	FigureLag         span `json:"figure_lag"`
}

func toWireCapabilities(c hisadapter.Capabilities) wireCapabilities {
	return wireCapabilities{
		c.Freeze, span(c.FreezeTTL), c.NetFigure, c.DeductNeedsFreeze, c.Find, c.Cancel, c.List, c.IdempotentByHisNo,
		c.AtomicItems, c.BatchSize, c.HisNoMax, span(c.FigureLag),
	}
}
