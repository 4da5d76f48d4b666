package server

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hisgate/hisgate/payflow"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// stamp is a time in the API; the zero time is unset.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// moment is the reverse of stamp.
func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// words says one thing in both languages; nothing is unset.
func words(w payflow.Words) *hisgatev1.Text {
	if w == (payflow.Words{}) {
		return nil
	}
	return &hisgatev1.Text{Zh: w.ZH, En: w.EN}
}

// stepCount is how often a folded step happened: at least once.
func stepCount(n int) int32 { return int32(max(n, 1)) }
