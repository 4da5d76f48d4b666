package traced_test

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/hisadapter/traced"
)

// answers is a HIS that answers every freeze with one error.
type answers struct {
	hisadapter.Driver
	err error
}

func (a answers) Freeze(context.Context, hisadapter.FreezeRequest) (hisadapter.Freeze, error) {
	return hisadapter.Freeze{LockID: "DJ1"}, a.err
}

// TestASpanTellsTheOutcomeAndNoWords: a refusal is an answer, everything else that
// is not done is to be looked at; the HIS's words stay out.
func TestASpanTellsTheOutcomeAndNoWords(t *testing.T) {
	words := "患者张三 余额不足"
	for name, tt := range map[string]struct {
		err    error
		want   map[attribute.Key]string
		failed bool
	}{
		"done": {nil, map[attribute.Key]string{"hisgate.outcome": "done"}, false},
		"refused": {
			&hisadapter.Error{Op: "Freeze", Outcome: hisadapter.Refused, Kind: hisadapter.Insufficient, Code: "E1", Message: words},
			map[attribute.Key]string{"hisgate.outcome": "refused", "hisgate.refused": "insufficient", "hisgate.his_code": "E1"},
			false,
		},
		"unknown": {errors.New(words), map[attribute.Key]string{"hisgate.outcome": "unknown"}, true},
		"turned away": {
			&hisadapter.Error{Op: "Freeze", Outcome: hisadapter.NotSent, Err: &guard.Rejection{Cause: guard.CauseBreakerOpen}},
			map[attribute.Key]string{"hisgate.outcome": "not_sent", "hisgate.rejected": string(guard.CauseBreakerOpen)},
			true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := tracetest.NewSpanRecorder()
			ctx, call := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r)).Tracer("test").Start(t.Context(), "call")
			d := traced.Wrap(answers{err: tt.err}, traced.Guard)
			f, err := d.Freeze(guard.WithClass(ctx, guard.ClassFreeze), hisadapter.FreezeRequest{HisNo: "R1", Attributes: map[string]string{"patient": words}})
			if err != tt.err || f.LockID != "DJ1" {
				t.Errorf("the driver's answer became %v, %v", f, err)
			}
			s := r.Ended()[0]
			if s.Name() != "guard Freeze" || s.Parent().SpanID() != call.SpanContext().SpanID() || (s.Status().Code == codes.Error) != tt.failed || s.Status().Description != "" {
				t.Errorf("%s under %s: %+v", s.Name(), s.Parent().SpanID(), s.Status())
			}
			tt.want["hisgate.op"], tt.want["hisgate.his_no"], tt.want["hisgate.class"] = "Freeze", "R1", "freeze"
			for _, a := range s.Attributes() {
				if a.Value.AsString() != tt.want[a.Key] {
					t.Errorf("%s is %q, want %q", a.Key, a.Value.AsString(), tt.want[a.Key])
				}
				delete(tt.want, a.Key)
			}
			if len(tt.want) > 0 {
				t.Errorf("not told: %v", tt.want)
			}
		})
	}
}
