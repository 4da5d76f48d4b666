// Package anteroom bounds what waits for people whom nobody knows yet: bodies that
// must come in before a signature can be judged, calls that need no name.
//
// There is always room for one more. When the room is full, one of the sender who
// has the most in it is cut off, the oldest that he has. So a stranger cannot keep
// others out: from one address he cuts off himself, and from very many he would have
// to fill the whole room in the moment that somebody else needs to pass through it.
package anteroom

import (
	"container/list"
	"sync"
)

// Room is an anteroom. Its methods may be called by several goroutines.
type Room struct {
	most int

	mu      sync.Mutex
	waiting *list.List // of *guest, the oldest first
	senders map[string]int
}

type guest struct {
	sender string
	cut    func() // nil when he has left
}

// New returns a room for so many.
func New(most int) *Room {
	return &Room{most: most, waiting: list.New(), senders: make(map[string]int)}
}

// Enter lets one of the sender in, and cuts another one off where it must. cut ends
// what was let in when others need the room; it must not block, and is never called
// after leave, which may be called more than once.
func (r *Room) Enter(sender string, cut func()) (leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting.Len() >= r.most {
		e := r.worst()
		e.Value.(*guest).cut()
		r.remove(e)
	}
	e := r.waiting.PushBack(&guest{sender: sender, cut: cut})
	r.senders[sender]++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.remove(e)
	}
}

// worst is the oldest of the sender who has the most.
func (r *Room) worst() *list.Element {
	most := 0
	for _, n := range r.senders {
		most = max(most, n)
	}
	for e := r.waiting.Front(); e != nil; e = e.Next() {
		if r.senders[e.Value.(*guest).sender] == most {
			return e
		}
	}
	return r.waiting.Front() // there is always one that has the most
}

// remove takes one out, once.
func (r *Room) remove(e *list.Element) {
	g := e.Value.(*guest)
	if g.cut == nil {
		return
	}
	g.cut = nil
	r.waiting.Remove(e)
	if r.senders[g.sender]--; r.senders[g.sender] == 0 {
		delete(r.senders, g.sender)
	}
}
