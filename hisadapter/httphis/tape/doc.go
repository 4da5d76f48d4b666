// Package tape keeps the exchanges with a HIS as files, and plays them to a
// mapping without the HIS, so that it can be developed and tested anywhere.
//
//	0003-query_stock.yaml     what was sent, when, and how the answer was read
//	0003-query_stock.answer   the answer's body, byte for byte: adapter parse reads it
//	tape.yaml                 what must be the same when it is played: clock, numbers, drugs
//
// No secret gets into them: what the driver masks (secrets, passwords, tokens),
// and signatures, and the references of patients, stand as *** in both files.
//
// A player answers by operation and order: the n-th query_stock gets the answer
// that the n-th one got, whatever message number it carries. What was never asked
// is not sent. An enciphered answer needs the key with which it was made.
package tape
