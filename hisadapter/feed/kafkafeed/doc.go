// Package kafkafeed brings stock changes from topics of Kafka, as a consumer
// group.
//
//	addresses: ["kafka1:9092", "kafka2:9092"]
//	topics: ["his.public.drug_stock"]
//	group: hisgate-1              # one for each hisgate process
//	sasl: scram-sha-512
//	user: hisgate
//	password_file: /etc/hisgate/kafka.password
//	dead_letter_topic: hisgate.dead
//
// # What is promised
//
// The offsets of a batch are committed after Deliver took it, never before, and
// one batch after the other. What was delivered and not committed is delivered
// again.
//
// The group is ours alone. A hisgate process needs every message, and a group
// shares them out; so where a rebalance takes partitions away, or leaves us with
// fewer than the topics have, Run ends with an error that says so, again and again
// while the other member is there; when it has gone, nothing is missing that it
// has not committed. hisgate joins as the static member "hisgate": after a crash
// it has its partitions back at once, and of two processes with one group the
// elder is thrown out, which its Run says. (Before Kafka 2.3 there are no static
// members: after a crash or a lost connection the partitions come back when
// session_timeout is over.)
//
// Order: that of each partition. Between partitions Kafka has none, so the
// messages of a drug must lie in one: keyed by the drug, or in a topic of one
// partition. Partitions that are added to a topic are noticed within
// metadata_max_age and read from their first message.
//
// Message.Sequence is the offset plus one, where all is in one partition: then it
// is the order of everything. With more partitions it is 0, because a drug's
// messages move to another partition when partitions are added; a mapping that
// needs a sequence finds it in the body (Debezium: source.lsn, source.ts_ms). It goes
// on rising where the topic is deleted and made again while hisgate runs. Message.At is the record's timestamp. Records without a value (tombstones) tell
// of nothing and are passed over.
//
// Where a group without commits begins (start), the beginning is committed before
// the first message is read, and so is not forgotten by a crash. Kafka forgets the
// commits of a group that was away for long (offsets.retention.minutes, a week);
// then it begins anew.
//
// What the topic has lost is told: messages that its retention took before they
// were read, a topic that was made anew, a broker that came back with less than it
// had. Reading goes on with the first message that is there.
//
// Bounded: at most Sink.Batch records are delivered at once, and each broker is
// asked for at most max_fetch_bytes while those of before are not delivered; a
// record that is larger comes all the same. A batch that would take more than 64 MiB,
// or four times max_fetch_bytes, when it is unpacked is not read: a dead letter without
// a body tells of it, and reading goes on behind it.
//
// Of messages that were published within transactions only those that were
// committed are read; an open transaction holds up what came after it in its
// partition, as long as the broker lets it be open (transaction.timeout.ms).
//
// A lost connection to one of several brokers is mended by the library and not
// seen. Run ends when no broker answers any more, within about ten seconds of
// silence.
//
// Dead letters are produced to dead_letter_topic with the record's key: the burial
// is done when all replicas in sync have it. Headers: Hisgate-Message-Id,
// Hisgate-Reason. The topic is not made here.
//
// Rights that the user needs: READ and DESCRIBE on the topics, READ on the group,
// WRITE on the dead letter topic.
//
// The tests of this package run against kfake, the implementation of Kafka's
// protocol that the library (franz-go) tests itself with, not against Kafka's own
// broker.
package kafkafeed
