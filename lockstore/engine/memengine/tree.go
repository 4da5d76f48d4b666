package memengine

import "bytes"

// node is a persistent treap: an ordered tree that is never changed, so that
// whoever holds a root holds a snapshot. A write copies the nodes on its way,
// about two times log2 of the size. The priorities keep the tree balanced whatever
// the order of the keys; they are a hash of the key, so that equal contents have
// equal trees.
type node struct {
	key, value  []byte
	priority    uint64
	left, right *node
}

// priorityOf is FNV-1a with a final mix: keys that differ in their last byte only
// must not get neighbouring priorities.
func priorityOf(key []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range key {
		h = (h ^ uint64(b)) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	return h ^ h>>33
}

func (n *node) get(key []byte) ([]byte, bool) {
	for n != nil {
		switch c := bytes.Compare(key, n.key); {
		case c < 0:
			n = n.left
		case c > 0:
			n = n.right
		default:
			return n.value, true
		}
	}
	return nil, false
}

// put returns the tree with the key set. It keeps both slices.
func (n *node) put(key, value []byte) *node {
	left, right := n.split(key)
	leaf := &node{key: key, value: value, priority: priorityOf(key)}
	return merge(merge(left, leaf), right)
}

// remove returns the tree without the key.
func (n *node) remove(key []byte) *node {
	if _, ok := n.get(key); !ok {
		return n
	}
	left, right := n.split(key)
	return merge(left, right)
}

// split returns the keys below and the keys above the given one.
func (n *node) split(key []byte) (below, above *node) {
	if n == nil {
		return nil, nil
	}
	c := *n
	switch cmp := bytes.Compare(key, n.key); {
	case cmp < 0:
		below, c.left = n.left.split(key)
		return below, &c
	case cmp > 0:
		c.right, above = n.right.split(key)
		return &c, above
	default:
		return n.left, n.right
	}
}

// merge joins two trees; every key of a is below every key of b.
func merge(a, b *node) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		c := *a
		c.right = merge(a.right, b)
		return &c
	default:
		c := *b
		c.left = merge(a, b.left)
		return &c
	}
}

// scan calls fn for the keys in [start, end) in order; a nil end is the end of
// the tree.
func (n *node) scan(start, end []byte, fn func(key, value []byte) error) error {
	if n == nil {
		return nil
	}
	if bytes.Compare(start, n.key) < 0 {
		if err := n.left.scan(start, end, fn); err != nil {
			return err
		}
	}
	if end != nil && bytes.Compare(n.key, end) >= 0 {
		return nil
	}
	if bytes.Compare(start, n.key) <= 0 {
		if err := fn(n.key, n.value); err != nil {
			return err
		}
	}
	return n.right.scan(start, end, fn)
}
