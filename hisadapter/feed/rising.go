package feed

// Rising keeps the sequences of a source rising where the source begins to count
// anew because it was deleted and made again. A driver keeps one from Run to Run;
// the zero value is ready. It is not safe for concurrent use.
type Rising struct{ base, top int64 }

// Of is the sequence of what the source gives a number from 1 on.
func (r *Rising) Of(number int64) int64 {
	r.top = max(r.top, r.base+number)
	return r.base + number
}

// Anew says that the source counts from the beginning again: what comes is later
// than everything that was.
func (r *Rising) Anew() { r.base = r.top }
