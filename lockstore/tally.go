package lockstore

// tally keeps the holds of one key in the order in which their locks were made,
// and the sums of what they count: any prefix of it in O(log n). It is a Fenwick
// tree over slots; a slot that was left stays empty until the next compaction.
type tally struct {
	slots []*hold // by position - 1; nil = left
	tree  []int64 // tree[p-1] sums the positions (p - lowbit(p), p]
	total int64
	live  int
}

func lowbit(p int) int { return p & -p }

// join gives h the position behind all others. It counts nothing yet.
func (t *tally) join(h *hold) {
	if len(t.slots) >= 16 && len(t.slots) >= 4*t.live {
		t.compact()
	}
	p := len(t.slots) + 1
	// A new node covers the nodes below it, which are final already.
	var v int64
	for q := p - 1; q > p-lowbit(p); q -= lowbit(q) {
		v += t.tree[q-1]
	}
	t.slots = append(t.slots, h)
	t.tree = append(t.tree, v)
	t.live++
	h.pos = p
}

// leave empties the position of h, which must count nothing any more.
func (t *tally) leave(h *hold) {
	t.slots[h.pos-1] = nil
	t.live--
	h.pos = 0
}

// add changes what h counts.
func (t *tally) add(h *hold, delta int64) {
	t.total += delta
	for p := h.pos; p <= len(t.tree); p += lowbit(p) {
		t.tree[p-1] += delta
	}
}

// before sums what the holds count that joined before h.
func (t *tally) before(h *hold) int64 {
	var sum int64
	for p := h.pos - 1; p > 0; p -= lowbit(p) {
		sum += t.tree[p-1]
	}
	return sum
}

// compact closes the empty slots. Its cost is paid for by the holds that left.
func (t *tally) compact() {
	slots := make([]*hold, 0, 2*t.live+16)
	tree := make([]int64, 0, 2*t.live+16)
	for _, h := range t.slots {
		if h == nil {
			continue
		}
		slots = append(slots, h)
		h.pos = len(slots)
		var v int64
		if h.counts == always {
			v = h.units
		}
		tree = append(tree, v)
	}
	for p := 1; p <= len(tree); p++ {
		if up := p + lowbit(p); up <= len(tree) {
			tree[up-1] += tree[p-1]
		}
	}
	t.slots, t.tree = slots, tree
}
