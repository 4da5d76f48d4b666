// Package engine is the durable storage under the ledger of locks and under
// the orders: a small ordered key-value port ([Engine]) and a group commit over
// it ([Committer]). The two stores share one engine on one folder, and one
// committer, so that a backup is one cut and a disk sync serves every request
// of the moment.
//
// # Group commit
//
// A store judges its commands one after the other in memory and hands what they
// write to [Committer.Append]. The writes of all callers gather in an open batch
// while the batch before them is being synced; when that is done the open batch
// is closed and goes to the disk as one atomic [Engine.Apply]. Nobody waits for
// company: an Append that finds the disk idle goes at once.
//
//	            Append                     disk idle               synced
//	(no batch) ────────► OPEN ──────────────────────► APPLYING ──────────► DURABLE
//	                      │  gathers further Appends      │                 tickets: nil
//	                      │                               │ Apply failed
//	                      │ the batch before it failed    ▼
//	                      └───────────────────────────► FAILED
//	                                                     tickets: ErrOutcomeUnknown
//
// FAILED is final for the whole committer: the engine is not asked a second time
// for the same data, because after a failed sync the kernel may report success
// for pages that it has thrown away. Every ticket that is still open, and every
// later Append or Barrier, answers [ErrOutcomeUnknown]; the owner drops its
// memory, exits, and learns the truth by opening the folder again.
//
// # Reads that are judged in memory
//
// An answer that is computed from memory may rest on a write which is not on the
// disk yet. [Committer.Barrier], taken at the moment of judging, gives the ticket
// to wait for before such an answer leaves the house [B2].
package engine
