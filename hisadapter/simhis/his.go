package simhis

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// HIS is one simulated hospital. Its methods are safe for concurrent use.
type HIS struct {
	mu       sync.Mutex
	cfg      Config
	pace     Pace
	rng      *rand.Rand
	drugs    map[string]hisadapter.Facts
	shelves  map[hisadapter.Key]*shelf
	orders   map[string]*order
	inOrder  []*order // as they came
	events   eventQueue
	seq      uint64       // of events
	numbers  uint64       // of lock ids and order numbers
	programs map[int]bool // the counter's sales programs, true while they run
	faults   []*armed
	faultSeq int
	down     bool
	inFlight int
	tally    tally
}

// New opens a HIS. It returns all faults of cfg at once.
func New(cfg Config) (*HIS, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("simhis: %w", err)
	}
	h := &HIS{
		cfg:      cfg,
		pace:     cfg.Pace,
		rng:      rand.New(rand.NewPCG(cfg.Seed, 0)),
		drugs:    make(map[string]hisadapter.Facts),
		shelves:  make(map[hisadapter.Key]*shelf),
		orders:   make(map[string]*order),
		programs: make(map[int]bool),
		tally:    newTally(),
	}
	for _, d := range cfg.Catalogue.Drugs {
		h.drugs[d.ID] = d.Facts
	}
	now := cfg.Now()
	for _, s := range cfg.Catalogue.Stock {
		h.layIn(now, s.Key, s.OnHand)
	}
	return h, nil
}

// Capabilities is what this HIS can do.
func (h *HIS) Capabilities() hisadapter.Capabilities { return h.cfg.Capabilities }

// SetPace changes the HIS's speed and limit from now on.
func (h *HIS) SetPace(p Pace) error {
	if err := p.validate(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pace = p
	return nil
}

// SetDrug adds a drug or changes its facts: its price, its step, whether it is
// stopped.
func (h *HIS) SetDrug(d Drug) error {
	if err := d.validate(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.catchUp()
	h.drugs[d.ID] = d.Facts
	return nil
}

// Facts returns what the HIS says of a drug.
func (h *HIS) Facts(drugID string) (hisadapter.Facts, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, ok := h.drugs[drugID]
	return f, ok
}

// SetStock makes the shelf of key hold onHand units. The first time is the
// initial stock of the books, later ones are adjustments (deliveries, counts).
// It fails for a drug that the HIS does not know.
func (h *HIS) SetStock(key hisadapter.Key, onHand int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.catchUp()
	if _, ok := h.drugs[key.DrugID]; !ok {
		return fmt.Errorf("drug_id %q: the HIS does not know this drug", key.DrugID)
	}
	if key.PharmacyID == "" {
		return errors.New("pharmacy_id is empty")
	}
	h.layIn(now, key, onHand)
	return nil
}

// SetDown takes the HIS off the network, or back. In process each call then
// ends NotSent; a Handler can only cut connections, which its caller must take
// for Unknown. A Door that is shut refuses them.
func (h *HIS) SetDown(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

// number makes the HIS's own numbers: a prefix, the day, and a running part.
func (h *HIS) number(prefix string, now time.Time) string {
	h.numbers++
	return fmt.Sprintf("%s%s%06d", prefix, now.In(shanghai).Format("20060102"), h.numbers)
}

// shanghai is the HIS's calendar. China has had no summer time since 1991, so
// the fixed zone is right and needs no time zone data.
var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)
