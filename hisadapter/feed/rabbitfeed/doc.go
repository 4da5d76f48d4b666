// Package rabbitfeed brings stock changes from a queue of RabbitMQ (AMQP 0-9-1),
// with manual acknowledgement.
//
//	addresses: ["rabbit1:5672"]
//	vhost: his
//	user: hisgate
//	password_file: /etc/hisgate/rabbit.password
//	queue: hisgate-1.stock        # one for each hisgate process
//	exchange: his.events          # an exchange that is there
//	routing_keys: ["stock.#"]
//	dead_letter_queue: hisgate.dead
//
// # What is promised
//
// A message is acknowledged after Deliver took it, never before. What was not
// acknowledged when the connection is lost goes back to its place at the head of
// the queue and is delivered again.
//
// Order. The queue is read exclusively: while a connection of ours that died
// without the server's knowledge still holds messages, a new one is refused
// (ACCESS_REFUSED), and Run ends with that error until the server has noticed,
// which takes at most two heartbeats. So messages come in the queue's order, with
// repeats after a loss, and another program that reads the queue by mistake is
// noticed rather than sharing the messages with us. With `shared: true` neither
// holds.
//
// Duplicates: what was delivered and not acknowledged when the connection was
// lost, and after a crash of the server what it had not stored of our
// acknowledgements.
//
// AMQP numbers no messages, so Message.Sequence is 0: a mapping that needs a
// sequence finds it in the body. Message.ID is the publisher's message-id where
// there is one, else made of a hash of the body. Message.At is the publisher's
// timestamp, in whole seconds.
//
// Bounded: the server gives at most Sink.Batch messages without an acknowledgement
// (prefetch). It counts no bytes: where publishers could send large messages, its
// max_message_size, or a smaller batch, bounds the memory. A queue that is made here
// holds at most queue_max_bytes for at most queue_max_age while hisgate is away, and
// then drops the oldest; a quorum queue does so too. Messages must be published as
// persistent, or a restart of the server loses them.
//
// Dead letters are published to dead_letter_queue, as persistent and mandatory:
// the burial is done when the server confirms that it is in that queue. Headers:
// Hisgate-Message-Id, Hisgate-Reason, Hisgate-Exchange, Hisgate-Routing-Key.
//
// Lag is the number of messages in the queue, asked for every few seconds.
package rabbitfeed
