// Package tape keeps the exchanges with a HIS as files, and plays them to a
// mapping without the HIS, so that it can be developed and tested anywhere.
//
//	tape.yaml                 what must be the same when it is played: clock, numbers, drugs
//	0003-query_stock.yaml     what was sent, when, and how the answer was read
//	0003-query_stock.answer   over HTTP: the answer's body, byte for byte
//
// Of a database the .yaml has the answers too: of each statement the rows, the
// count, or the error with its SQL state. hisgate adapter parse reads the .answer
// of the one and the .yaml of the other.
//
// No secret gets into them: what the driver masks (secrets, passwords, tokens),
// and signatures, and the references of patients, stand as *** in all files.
//
// A player answers by operation and order: the n-th query_stock gets the answer
// that the n-th one got, whatever message number it carries. What was never asked
// is not sent. An enciphered answer needs the key with which it was made. A
// statement is answered by the one in its place, and only if it has the same
// words: a database was never asked another.
package tape
