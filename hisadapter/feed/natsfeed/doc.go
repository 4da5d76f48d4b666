// Package natsfeed brings stock changes from a stream of NATS JetStream, through a
// durable pull consumer with explicit acknowledgement.
//
//	addresses: ["nats1:4222", "nats2:4222"]
//	stream: HIS_STOCK
//	subjects: ["his.stock.>"]
//	durable: hisgate-1            # one for each hisgate process
//	creds_file: /etc/hisgate/nats.creds
//	dead_letter_subject: hisgate.dead.stock
//
// # What is promised
//
// A message is acknowledged after Deliver took it, never before. What was not
// acknowledged is delivered again, for ever (max_deliver is -1, and a consumer
// that has another is refused).
//
// Order. JetStream by itself gives new messages first after a lost connection and
// old ones when their ack_wait is over, which would show an old figure after a new
// one. So every connection first puts the consumer back to the first message that
// is not acknowledged (CONSUMER.RESET, nats-server 2.14 and later); where the
// server does not know that, or does not let us, it waits until ack_wait is over
// and every such message is due again, in its place. And the consumer numbers its
// deliveries: where a number is left out, the message went to another reader (a
// second hisgate with the same durable, or a connection of ours that died without
// the server's knowledge), and Run ends with an error before anything later is
// delivered. While Deliver takes long, the server is told that the messages are
// being worked on.
//
// Duplicates: what was delivered and not acknowledged when the connection was
// lost, and after a crash of the server what it had not stored of our
// acknowledgements.
//
// Message.Sequence is the sequence in the stream. It goes on rising where the stream
// is deleted and made again while hisgate runs. Message.At is when the stream stored
// the message.
//
// A consumer that is deleted, alone or with its stream, is made again (create), told
// as a loss, and begins with the messages that were stored since the last one that
// was taken; after a restart of hisgate it begins as start says. What the stream did
// not keep for as long as hisgate was away is lost without a word, as a consumer does
// not see it.
//
// Bounded: at most Sink.Batch messages are asked for and not acknowledged; where
// the consumer is ours, the server holds that too (max_ack_pending).
//
// Dead letters are published to dead_letter_subject, which a stream must keep: the
// burial is done when that stream says that it stored the letter. The body is the
// message's; the headers are Hisgate-Message-Id, Hisgate-Reason and
// Hisgate-Subject, and Content-Type where there was one. A letter that is buried
// twice within the stream's duplicate window is kept once; one with the same
// sequence of a stream that was made anew is another.
//
// Rights that the user needs on the server: publish to
// $JS.API.CONSUMER.{INFO,MSG.NEXT,RESET}.STREAM.DURABLE, $JS.ACK.STREAM.DURABLE.>
// and the dead letter subject; subscribe to _INBOX.>; with create: consumer also
// $JS.API.CONSUMER.CREATE.STREAM.>, with create: stream
// $JS.API.STREAM.{INFO,CREATE}.STREAM.
package natsfeed
