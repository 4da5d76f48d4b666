package edge

import (
	"encoding/json"
	"net/http"
	"time"
)

// plain is a stock as a back end without hisgate would write it.
type plain struct {
	PharmacyID string    `json:"pharmacy_id"`
	DrugID     string    `json:"drug_id"`
	DrugName   string    `json:"drug_name"`
	Unit       string    `json:"unit"`
	Multiple   int64     `json:"multiple,string"`
	OnHand     int64     `json:"on_hand,string"`
	Held       int64     `json:"held,string"`
	Safety     int64     `json:"safety,string"`
	Available  int64     `json:"available,string"`
	Price      string    `json:"price"`
	PricePer   int64     `json:"price_per,string"`
	Orderable  bool      `json:"orderable"`
	Stopped    bool      `json:"stopped"`
	AsOf       time.Time `json:"as_of"`
	Source     string    `json:"source"`
	Degraded   bool      `json:"degraded"`
}

// plainKey is a key as JSON has it.
type plainKey struct {
	PharmacyID string `json:"pharmacy_id"`
	DrugID     string `json:"drug_id"`
}

// plainResult is the answer for one key of several.
type plainResult struct {
	Key   plainKey `json:"key"`
	Stock plain    `json:"stock"`
}

// plainHandler is a back end as one would write it without hisgate.
func plainHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/stock/{drug_id}", plainStock)
	mux.HandleFunc("POST /v1/stock:batchGet", plainBatch)
	mux.HandleFunc("POST /v1/locks", plainLock)
	return mux
}

func plainOf(k plainKey) plain {
	return plain{
		PharmacyID: k.PharmacyID, DrugID: k.DrugID, DrugName: drugName, Unit: unit, Multiple: 1,
		OnHand: onHand, Available: onHand, Price: price, PricePer: pricePer, Orderable: true, AsOf: time.Now().UTC(), Source: "CACHE",
	}
}

func plainStock(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(plainOf(plainKey{r.URL.Query().Get("pharmacy_id"), r.PathValue("drug_id")})) // the caller may be gone
}

// plainBatch reads keys and answers the stock of each.
func plainBatch(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Keys []plainKey `json:"keys"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var out struct {
		Results []plainResult `json:"results"`
	}
	for _, k := range asked.Keys {
		out.Results = append(out.Results, plainResult{k, plainOf(k)})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // the caller may be gone
}

// plainLock reads an order and answers it: for a hisgate that is made up.
func plainLock(w http.ResponseWriter, r *http.Request) {
	var order map[string]any
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&order); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	order["status"] = "LOCKED"
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(order) // the caller may be gone
}
