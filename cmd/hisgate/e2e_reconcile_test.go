package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hisgate/hisgate/payflow"
	"github.com/hisgate/hisgate/payflow/wechat"
	"github.com/hisgate/hisgate/payflow/wechatsim"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// before is a day whose bill WeChat has, and a moment at noon of it.
func before(days int) (day string, noon time.Time) {
	y, m, d := time.Now().In(time.FixedZone("", 8*60*60)).AddDate(0, 0, -days).Date()
	noon = time.Date(y, m, d, 12, 0, 0, 0, time.FixedZone("", 8*60*60))
	return noon.Format(time.DateOnly), noon
}

func (w *world) backdate(no string, at time.Time) {
	w.t.Helper()
	if err := w.sims.WeChat.Backdate(no, at); err != nil {
		w.t.Fatal(err)
	}
}

// stranger pays for an order that another system of the merchant made.
func (w *world) stranger(no string, fen int64) {
	w.t.Helper()
	o, err := w.cfg.WeChat.options("http://127.0.0.1:1") // its callbacks reach nobody
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	other, err := wechat.New(ctx, o)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := other.BuildPrepay(payflow.PrepayIntent{
		Method: payflow.Native, OrderNo: no, AppID: w.cfg.WeChat.AppIDs[0], Description: "食堂", TotalFen: fen, TimeExpire: time.Now().Add(time.Hour),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := other.Prepay(ctx, payflow.Native, body); err != nil {
		w.t.Fatal(err)
	}
	w.pay(no)
}

// reconcile is somebody at the command line.
func (h *house) reconcile(args ...string) (out string, code int) {
	h.world.t.Helper()
	cmd := command(h.world.t, "hisgate", append([]string{"reconcile", "--server", h.program.GRPCAddr}, args...)...)
	b, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(b), exit.ExitCode()
	}
	if err != nil {
		h.world.t.Fatal(err)
	}
	return string(b), 0
}

func TestReconcileOverTheCommandLine(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 100)
	day, noon := before(2)
	for _, no := range []string{"E2E-AGREES", "E2E-CONSOLE"} {
		h.create(no, "RESERVE", "D1", 1)
		h.pay(no)
		h.await(no, hisgatev1.Order_FULFILLED)
	}
	if _, err := h.sims.WeChat.Refund(t.Context(), "E2E-CONSOLE", 100, "退差价"); err != nil {
		t.Fatal(err)
	}
	h.stranger("CANTEEN-1", 777)
	for _, no := range []string{"E2E-AGREES", "E2E-CONSOLE", "CANTEEN-1"} {
		h.backdate(no, noon)
	}

	for _, f := range []wechatsim.Fault{
		{Op: wechatsim.OpTradeBill, Kind: wechatsim.KindWrongHash},
		{Op: wechatsim.OpBillDownload, Kind: wechatsim.KindCut},
		{Op: wechatsim.OpTradeBill, Kind: wechatsim.KindStatus, Status: 400, Code: "STATEMENT_CREATING"},
	} {
		h.wechatFault(f)
		r := &hisgatev1.Reconciliation{}
		h.post("/v1/reconciliations/"+day+":run", "{}").into(t, r)
		if r.GetStatus() != hisgatev1.Reconciliation_WAITING || r.GetFailure() == "" || len(r.GetDifferences()) > 0 || r.GetNextTime() == nil {
			t.Errorf("%s: %v", f.Kind, r)
		}
	}

	out, code := h.reconcile("--date", day, "--lang", "en")
	for _, part := range []string{"Reconciliation of " + day + ": done", "paid at WeChat, no such order here: CANTEEN-1", "refunded in the merchant platform: E2E-CONSOLE", "Differences: 2."} {
		if !strings.Contains(out, part) {
			t.Errorf("no %q in\n%s", part, out)
		}
	}
	if code != exitNo {
		t.Errorf("differences, and status %d", code)
	}
	if zh, _ := h.reconcile("--date", day, "--show", "--lang", "zh"); !strings.Contains(zh, "差异：2 笔") {
		t.Errorf("in Chinese:\n%s", zh)
	}
	out, _ = h.reconcile("--date", day, "--csv")
	table, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(table) != 3 {
		t.Fatalf("csv: %v\n%s", err, out)
	}
	out, _ = h.reconcile("--date", day, "--json")
	var r struct {
		Status      string
		Matched     string
		HisListed   bool `json:"his_listed"`
		Differences []struct {
			Kind   string
			CaseID string `json:"case_id"`
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Status != "DONE" || r.Matched != "2" || !r.HisListed || len(r.Differences) != 2 {
		t.Fatalf("json: %v\n%s", err, out)
	}
	kinds := []string{r.Differences[0].Kind, r.Differences[1].Kind}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{"REFUNDED_ELSEWHERE", "UNKNOWN_PAYMENT"}) {
		t.Errorf("kinds %v", kinds)
	}
	cases := &hisgatev1.ListCasesResponse{}
	h.get("/v1/cases").into(t, cases)
	if len(cases.GetCases()) != 2 {
		t.Errorf("%d cases after four runs: %v", len(cases.GetCases()), cases)
	}
	for _, c := range cases.GetCases() {
		if c.GetReason() != "UNKNOWN_ORDER" {
			continue
		}
		cmd := command(t, "hisgate", "case", "settle", c.GetCaseId(), "--note", "食堂的收款", "--server", h.program.GRPCAddr)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("settle: %v\n%s", err, out)
		}
	}
	h.reconcile("--date", day)
	h.get("/v1/cases").into(t, cases)
	if len(cases.GetCases()) != 1 {
		t.Errorf("after a case was settled: %v", cases)
	}
	if left, err := h.filesLike("tradebill-*"); err != nil || len(left) > 0 {
		t.Errorf("left in the data folder: %v, %v", left, err)
	}
}

func TestReconcileAnEmptyDay(t *testing.T) {
	t.Parallel()
	h := openHouse(t, false)
	day, _ := before(3)
	out, code := h.reconcile("--date", day, "--lang", "en")
	if code != 0 || !strings.Contains(out, "no trade on that day") || !strings.Contains(out, "Differences: 0.") {
		t.Errorf("status %d\n%s", code, out)
	}
	for _, bad := range [][]string{{"--date", "2026-13-45"}, {"--date", "tomorrow"}, {"--date", "2001-01-01"}} {
		if out, code := h.reconcile(bad...); code != exitNo || out != "" {
			t.Errorf("%v: status %d\n%s", bad, code, out)
		}
	}
	if _, code := h.reconcile("--json", "--csv"); code != exitNobody {
		t.Errorf("both forms: status %d", code)
	}
	if _, code := h.reconcile("--show", "--date", "2026-01-01"); code != exitNo {
		t.Errorf("a day without a report: status %d", code)
	}
}

// A patient paid two days ago, and neither callback nor query ever told: the bill does, WeChat confirms it, and the order is
// fulfilled like any other late money.
func TestTheBillFindsLostMoney(t *testing.T) {
	t.Parallel()
	h := openHouse(t, true)
	h.shelve("D1", 10)
	day, noon := before(2)
	for _, op := range []wechatsim.Op{wechatsim.OpNotifyPayment} {
		h.wechatFault(wechatsim.Fault{Op: op, Kind: wechatsim.KindDrop, Times: -1})
	}
	h.create("E2E-LOST", "RESERVE", "D1", 2)
	h.wechatFault(wechatsim.Fault{Op: wechatsim.OpQuery, OutTradeNo: "E2E-LOST", Kind: wechatsim.KindResetBefore, Times: -1})
	h.pay("E2E-LOST")
	h.backdate("E2E-LOST", noon)
	h.sims.WeChat.ClearFaults()
	h.wechatFault(wechatsim.Fault{Op: wechatsim.OpNotifyPayment, Kind: wechatsim.KindDrop, Times: -1})
	h.reconcile("--date", day)
	h.await("E2E-LOST", hisgatev1.Order_FULFILLED)
	r := &hisgatev1.Reconciliation{}
	h.get("/v1/reconciliations/"+day).into(t, r)
	if r.GetStatus() != hisgatev1.Reconciliation_DONE || r.GetBillRows() != 1 {
		t.Errorf("%v", r)
	}
	h.audit(h.api)
}
