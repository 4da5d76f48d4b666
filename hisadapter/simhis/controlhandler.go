package simhis

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
)

// controlHandler serves the control calls under /sim/: what a test or a demo
// does to the HIS from outside. Errors are {"error": "..."} with a status of
// 4xx; a field at fault is named in the text.
//
//	POST   /sim/stock      {"pharmacy_id","drug_id","on_hand"}
//	POST   /sim/drug       {"drug_id","name","unit","multiple","price","price_per","stopped"}
//	POST   /sim/sell       {"pharmacy_id","drug_id","quantity"} → {"sold"}
//	POST   /sim/programs   {"pharmacy_id","drug_id","quantity","every","times"} → {"id"}
//	POST   /sim/programs/stop {"id"}
//	POST   /sim/faults     a Fault → {"id"}
//	POST   /sim/faults/disarm {"id"}
//	DELETE /sim/faults     disarms all
//	POST   /sim/lapse      {"his_no"} → {"lapsed"}
//	POST   /sim/down       {"down"}
//	POST   /sim/pace       {"latency","jitter","limit","linger"}
//	GET    /sim/books, /sim/counters, /sim/capabilities
func (h *HIS) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sim/stock", control(func(in wireSetStock) (any, error) {
		return nil, h.SetStock(hisadapter.Key(in.wireKey), in.OnHand)
	}))
	mux.HandleFunc("POST /sim/drug", control(func(in wireDrug) (any, error) {
		return nil, h.SetDrug(Drug{ID: in.DrugID, Facts: hisadapter.Facts(in.wireFacts)})
	}))
	mux.HandleFunc("POST /sim/sell", control(func(in wireSell) (any, error) {
		sold, err := h.Counter().Sell(hisadapter.Key(in.wireKey), in.Quantity)
		return wireSold{sold}, err
	}))
	mux.HandleFunc("POST /sim/programs", control(func(in wireProgram) (any, error) {
		id, err := h.Counter().Start(Program{hisadapter.Key(in.wireKey), in.Quantity, time.Duration(in.Every), in.Times})
		return wireID{id}, err
	}))
	mux.HandleFunc("POST /sim/programs/stop", control(func(in wireID) (any, error) {
		h.Counter().Stop(in.ID)
		return nil, nil
	}))
	mux.HandleFunc("POST /sim/faults", control(func(in wireFault) (any, error) {
		id, err := h.Inject(in.fault())
		return wireID{id}, err
	}))
	mux.HandleFunc("POST /sim/faults/disarm", control(func(in wireID) (any, error) {
		h.Disarm(in.ID)
		return nil, nil
	}))
	mux.HandleFunc("DELETE /sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		h.ClearFaults()
		writeJSON(w, http.StatusOK, struct{}{})
	})
	mux.HandleFunc("POST /sim/lapse", control(func(in wireLapse) (any, error) {
		return wireLapsed{h.Lapse(in.HisNo)}, nil
	}))
	mux.HandleFunc("POST /sim/down", control(func(in wireDown) (any, error) {
		h.SetDown(in.Down)
		return nil, nil
	}))
	mux.HandleFunc("POST /sim/pace", control(func(in wirePace) (any, error) {
		return nil, h.SetPace(Pace{time.Duration(in.Latency), time.Duration(in.Jitter), in.Limit, time.Duration(in.Linger)})
	}))
	mux.HandleFunc("GET /sim/books", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, h.Books().wire())
	})
	mux.HandleFunc("GET /sim/counters", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, h.Counters())
	})
	mux.HandleFunc("GET /sim/capabilities", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, toWireCapabilities(h.Capabilities()))
	})
	mux.HandleFunc("/sim/", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusNotFound, wireError{"no such control call: " + r.Method + " " + r.URL.Path})
	})
	return mux
}

type wireError struct {
	Error string `json:"error"`
}

// control turns a control call into a handler: strict JSON in, JSON out.
func control[In any](do func(In) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			status := http.StatusBadRequest
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				status = http.StatusRequestEntityTooLarge
			}
			writeJSON(w, status, wireError{"body: " + err.Error()})
			return
		}
		var in In
		if err := strict(body, &in); err != nil {
			writeJSON(w, http.StatusBadRequest, wireError{err.Error()})
			return
		}
		out, err := do(in)
		if err != nil {
			writeJSON(w, http.StatusUnprocessableEntity, wireError{err.Error()})
			return
		}
		if out == nil {
			out = struct{}{}
		}
		writeJSON(w, http.StatusOK, out)
	}
}
