package anteroom_test

import (
	"slices"
	"testing"

	"github.com/hisgate/hisgate/internal/anteroom"
)

// Who has the most in the room makes room, with the oldest that he has; who has left
// is not cut off.
func TestTheBusiestMakesRoom(t *testing.T) {
	var cut []string
	r := anteroom.New(4)
	enter := func(sender, name string) func() {
		return r.Enter(sender, func() { cut = append(cut, name) })
	}
	enter("quiet", "q1")
	leave := enter("busy", "b1")
	enter("busy", "b2")
	enter("busy", "b3")
	leave()
	leave()
	enter("other", "o1") // there is room
	enter("other", "o2") // busy and other have two each: the oldest of them goes
	enter("late", "l1")
	if want := []string{"b2", "o1"}; !slices.Equal(cut, want) {
		t.Errorf("cut off were %v, want %v", cut, want)
	}
}
