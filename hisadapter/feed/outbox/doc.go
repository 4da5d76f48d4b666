// Package outbox reads stock changes from the HIS's own database: PostgreSQL,
// MySQL and MariaDB, SQL Server, and Oracle (in builds with -tags oracle, which
// are the releases). Package ddl prints what the HIS team reviews and creates for
// it.
//
//	counter ──sells──► stock ──trigger──► outbox ──poll──► Driver ──► feed
//	                     │                  ▲  one transaction: both or neither
//	                     └──last modified──► view ──poll──► Driver ──► feed
//
// # By id
//
// Ids are given out before their transactions commit, so a row with a smaller id
// may appear after one with a greater. The driver remembers the ids that it has
// not seen (the gaps), not those that it has, which costs nothing however many
// rows there are:
//
//	read 5, 6, 9      everything up to 9, but for 7 and 8
//	next look         id > 9, and id BETWEEN 7 AND 8
//	read 7            everything up to 9, but for 8
//	8 rolled back     never comes: the gap is over, and is forgotten
//
// What is guaranteed: a row is found however long its transaction stays open after
// its id was given out, where the database can say that it is open; and a row whose
// id was given out up to Settings.Overlap before it was noticed to be missing is
// found everywhere, whoever fetched the id. So a gap is over when the overlap has
// passed, and then
//
//   - on PostgreSQL, when every transaction has ended that was open then, those
//     that have only fetched an id (nextval) and not written yet among them: for
//     these pg_locks is asked, for the others snapshots. Sessions that have written
//     nothing are waited for an hour at most, as forgotten ones stand open for weeks;
//   - on MySQL, MariaDB and SQL Server, when no row is there that is not committed:
//     read uncommitted shows it, from the INSERT that took the id;
//   - on Oracle, on a standby of PostgreSQL and on another node of a MySQL cluster
//     nobody without further rights can see that: what commits later than the overlap
//     after its id was given out is not noticed.
//
// On SQL Server rows that a transaction holds are passed over (READPAST) and found
// in the gaps.
//
// A program that fetches ids from a sequence beforehand, or a sequence with a CACHE
// for each session, may write one much later, in a transaction that had not begun
// when its gap was over: there the overlap must be longer than an id lies idle.
//
// Gaps are bounded: beyond 100,000 the oldest are given up.
//
// The position (the greatest id, its time, the gaps) stands in a file of hisgate's
// own, so that the HIS's database is only read. It is written at most once a second,
// after what it says took effect, and when a Run ends; a process that is killed
// repeats that second. A position that is lost, or whose newest row is not there
// any more (the table was emptied, restored or made anew, and its ids may have
// begun anew), means that everything that still stands in the outbox is read
// again. That does no harm: the newest row of a drug comes last.
//
// # By time
//
// Where nothing may be created but a view (or not even that: a table of the HIS
// will do), the driver asks for the rows whose last modification is later than the
// latest one that it read, less Settings.Overlap, and leaves out those that it
// brought already. What it cannot know:
//
//   - rows that were deleted, and changes that leave the time as it is;
//   - what is committed later than the overlap after the time that it carries;
//   - a time that lies behind by more than the overlap, because a workstation
//     wrote its own wrong clock. One that lies ahead is harmless;
//   - equal times are harmless, but two changes of a row between two looks are one,
//     and a change after a look that leaves the row as it was read, time included
//     (whole seconds, and no figure in the view), is none.
//
// Without a position it begins with the present, because the whole stock stands in
// the view.
//
// # A message
//
// is the row as a JSON object, each column under its name (small letters where
// Oracle has folded them to large ones), numbers digit by digit as the database has
// them, times by RFC 3339:
//
//	{"id":4711,"op":"U","pharmacy_id":"HLWYF","drug_id":"00010041","quantity":992,"changed_at":"2026-11-22T09:00:00.123456+08:00"}
//
// A cell that cannot be read is null and stands with the reason under
// "hisgate_unreadable"; so is a row that makes the database itself fail, of which
// nothing but the id is there ("*"). The mapping cannot read such a row, and buries
// it. Message.ID is the table and the id.
package outbox
