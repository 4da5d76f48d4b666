// Package feed brings stock changes from the HIS side the moment they happen:
// from a message broker, an outbox table, or an HTTP post. A Driver knows one
// kind of source and nothing of stock; the feed around it knows stock and
// nothing of sources.
//
//	source ──► Driver ──batch──► Deliver: mapping ──changes──► readers
//	   ▲                            │ cannot be read
//	   │                            ▼
//	   │                     dead letter: the source's own place, or a local file
//	   └── acknowledged, after each of the batch took effect or was buried
//
// # What is promised
//
// At least once. A message is acknowledged only after Deliver returned nil for
// it. "Took effect" is: every reader who asks from now on is answered with the
// change, or with a reading that the HIS was asked for after it. The cache that
// holds it is in memory and begins empty in a new process, so nothing that was
// acknowledged can be lost by a crash. For the same reason each hisgate process
// needs every message: two of them never share a durable consumer, a queue or a
// consumer group.
//
// Duplicates are harmless: a figure that is set twice is the same figure, and to
// read again twice is to read again.
//
// Order. Messages take effect in the order in which the driver delivers them.
// Where the mapping names a sequence, one change of a stock key (pharmacy, drug)
// takes effect only if its number is greater than the last one of that key; older
// and equal ones are acknowledged, dropped and counted. Without a sequence the
// last one delivered wins, and a redelivered old figure can be shown until the
// next change or reading, at most as long as the cache keeps any figure.
//
// Age. A figure is shown no longer than a reading of its time would be (the cache's
// ten seconds, counted from the time that the row says, or else the message): after a
// backlog, old figures are not shown one after the other until the newest has come,
// but mean "changed, read again". Clocks of two machines are compared for this, so a
// source whose clock is behind by more than that has all its figures read again, which
// costs the HIS what the guard gives to refreshing, and shows nothing wrong. What says
// no time is shown as it comes.
//
// Changes that the source has lost (its retention was over, it was made anew, the
// consumer was deleted) are told where the driver can know of them, and counted. No
// figure needs to be taken back then: what a feed has shown does not renew the age of
// the reading under it, so every key is read again within the cache's ten seconds,
// whatever the feed says or does not say.
//
// One bad message never holds up the next: it is buried with the reason, counted
// and alarmed, and acknowledged. One that cannot even be buried is logged, counted
// as lost and acknowledged.
//
// A change is shown to readers. It never drops a hold, and no lock is judged by
// it: locks read the HIS. So a feed that is wrong, late, silent or forged makes
// readers wrong for a while and nobody else; while it is dead, the cache's ten
// seconds are the bound as before.
//
// Memory is bounded by the batch: a driver fetches at most Sink.Batch messages
// ahead and waits for Deliver, and while Deliver waits the messages wait at the
// source.
//
// # Drivers
//
// natsfeed (NATS JetStream), rabbitfeed (RabbitMQ), kafkafeed (Kafka), outbox
// (a table of the HIS's database, polled). Each is its own package with
//
//	type Settings struct{ … }                    // plain values; what they mean and their units in comments
//	func New(s Settings) (feed.Driver, error)    // checks the settings, all faults joined; connects to nothing
//
// and is chosen and configured in cmd/hisgate alone. A driver keeps no state
// between two Runs but what its settings say, and what keeps its sequences rising;
// it neither parses bodies nor keeps metrics. A secret never appears in its errors.
//
//	          ┌────────────── Run returned an error ──────────────┐
//	          ▼                                                   │
//	waiting ──► connecting ──Connected──► connected ──────────────┤
//	(backoff)                               ▲  │ Disconnected     │
//	                                        └──┴─► disconnected ──┘
package feed
