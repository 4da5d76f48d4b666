package feed

import (
	"container/list"
	"sync"
)

// maxBodies bounds the posts whose body is read, and with MaxMessage the memory of
// them. Nobody knows yet who sends them.
const maxBodies = 64

// bodies are the posts whose body comes in, the oldest first. There is always room
// for one more: when there are maxBodies, one of the sender who has the most is cut
// off, the oldest that he has. So a stranger cannot keep the true sender out: from
// one address he cuts off himself, and from very many he would have to begin
// maxBodies posts in the moment that the true one needs to come in.
type bodies struct {
	mu      sync.Mutex
	coming  *list.List // of *body
	senders map[string]int
}

type body struct {
	sender string
	cut    func() // ends the reading; it must not block
}

func newBodies() *bodies {
	return &bodies{coming: list.New(), senders: make(map[string]int)}
}

// enter makes room for a body. cut is called when another one needs the room more,
// never after done.
func (b *bodies) enter(sender string, cut func()) (done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.coming.Len() >= maxBodies {
		e := b.worst()
		e.Value.(*body).cut()
		b.remove(e)
	}
	e := b.coming.PushBack(&body{sender: sender, cut: cut})
	b.senders[sender]++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.remove(e)
	}
}

// worst is the oldest body of the sender who has the most.
func (b *bodies) worst() *list.Element {
	most := 0
	for _, n := range b.senders {
		most = max(most, n)
	}
	for e := b.coming.Front(); e != nil; e = e.Next() {
		if b.senders[e.Value.(*body).sender] == most {
			return e
		}
	}
	return b.coming.Front() // there is always one that has the most
}

// remove takes a body out, once.
func (b *bodies) remove(e *list.Element) {
	x := e.Value.(*body)
	if x.cut == nil {
		return
	}
	x.cut = nil
	b.coming.Remove(e)
	if b.senders[x.sender]--; b.senders[x.sender] == 0 {
		delete(b.senders, x.sender)
	}
}
