package payflow

import "sync"

// turnAt is an order's place in a queue.
type turnAt struct {
	no     string
	ticket uint64
}

// queue feeds one pool. An order has one valid place in all queues, so they hold
// little more than there are active orders. Urgent ones (paid) go first, but every
// fourth turn belongs to the others.
type queue struct {
	mu     sync.Mutex
	ready  *sync.Cond
	urgent []turnAt
	normal []turnAt
	turns  int
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.ready = sync.NewCond(&q.mu)
	return q
}

func (q *queue) push(t turnAt, urgent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if urgent {
		q.urgent = append(q.urgent, t)
	} else {
		q.normal = append(q.normal, t)
	}
	q.ready.Signal()
}

// pop waits for an order; false when the queue is closed.
func (q *queue) pop() (turnAt, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.urgent) == 0 && len(q.normal) == 0 && !q.closed {
		q.ready.Wait()
	}
	if q.closed {
		return turnAt{}, false
	}
	q.turns++
	from := &q.urgent
	if len(q.urgent) == 0 || len(q.normal) > 0 && q.turns%4 == 0 {
		from = &q.normal
	}
	t := (*from)[0]
	*from = (*from)[1:]
	return t, true
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.urgent) + len(q.normal)
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ready.Broadcast()
}
