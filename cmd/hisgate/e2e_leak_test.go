package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// secrets are what must stand in no log and in no error: keys, and who paid.
func secrets(t *testing.T) map[string]string {
	t.Helper()
	files, err := simulatedKeys()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"APIv3 key": string(files["apiv3.key"]), "merchant's key": strings.Split(string(files["apiclient_key.pem"]), "\n")[1],
		"payer's openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "authorization": "WECHATPAY2-SHA256-RSA2048",
	}
}

// keepsSecrets complains of every secret that a text has.
func keepsSecrets(t *testing.T, where, text string, more ...string) {
	t.Helper()
	kept := secrets(t)
	for i, s := range more {
		kept[fmt.Sprintf("signature %d", i)] = s
	}
	for what, secret := range kept {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%s has the %s: …%s…", where, what, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}

// checkLeaks is run over the log of every test; signatures are nothing for it
// either.
func (w *world) checkLeaks(log string) {
	w.t.Helper()
	keepsSecrets(w.t, "the log", log, w.gate.signatures()...)
}

// Only the order itself tells who pays. What operators and machines read does
// not.
func TestOpenidAndKeysAreTheOrdersAlone(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	h.create("E2E-SECRET", "RESERVE", "D1", 3)
	h.pay("E2E-SECRET")
	h.await("E2E-SECRET", hisgatev1.Order_FULFILLED)
	ops := api{t: t, base: "http://" + h.program.OpsAddr}
	for where, got := range map[string]answer{
		"explain": h.get("/v1/orders/E2E-SECRET:explain"), "the guard": h.get("/v1/guard"), "the proof": h.get("/v1/proof"),
		"the ledger": h.get("/v1/ledger:export?include_ended=true"), "the cases": h.get("/v1/cases?include_closed=true"),
		"the metrics": ops.get("/metrics"), "readiness": ops.get("/readyz"),
	} {
		if got.status != http.StatusOK || len(got.body) == 0 {
			t.Errorf("%s: %d %s", where, got.status, got.body)
		}
		keepsSecrets(t, where, string(got.body))
	}
	if explain := string(h.get("/v1/orders/E2E-SECRET:explain").body); !strings.Contains(explain, "FULFILLED") {
		t.Errorf("explain tells nothing: %s", explain)
	}
	h.audit(h.api)
}
