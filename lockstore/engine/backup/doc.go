// Package backup writes what an engine holds into one stream, and reads it back.
//
// A backup is one cut: [Write] shows one moment of the engine, which is one
// moment of the ledger and the orders together. It needs nothing of the storage
// but [engine.Reader], so a backup of one engine is restored into another, and an
// encrypted folder into one with another key, or with none.
//
// # The stream
//
//	"hisgate backup 1\n"
//	length, header                    the header is JSON
//	1, key length, key, value length, value      for each key, ascending
//	0, number of keys                 (lengths and numbers are uvarints)
//	SHA-256 of all that               32 bytes, and nothing after them
//
// So a stream that was cut off has no end, and one flipped bit does not match. It
// is neither compressed nor encrypted: pipe it through what the site uses for
// that. It holds patients' identifiers.
package backup
