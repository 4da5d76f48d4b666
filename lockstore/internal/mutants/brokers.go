package main

// brokerTable are the bugs in the drivers of message brokers.
func brokerTable() []mutant {
	of := func(driver, tests string) []string { return []string{"../hisadapter/feed/" + driver + ":" + tests} }
	return []mutant{
		{"acknowledge to NATS what was refused", "../hisadapter/feed/natsfeed/reader.go", "if err := r.sink.Deliver(ctx, messages); err != nil {", "if err := r.sink.Deliver(ctx, messages); err != nil {\n\t\t\t_ = r.acknowledge(life, batch)", of("natsfeed", "^TestDriver$/^refused")},
		{"share a consumer of NATS without a word", "../hisadapter/feed/natsfeed/reader.go", "if at.Sequence.Consumer != r.pos.next {", "if false {", of("natsfeed", "^TestTwoReadersOfOneConsumer$")},
		{"let NATS deliver old messages after new ones", "../hisadapter/feed/natsfeed/position.go", "if info.NumAckPending > 0 {", "if false {", of("natsfeed", "^TestServerWithoutReset$")},
		{"tell two letters of one name for one", "../hisadapter/feed/natsfeed/driver.go", "jetstream.WithMsgID(letterID(&m))", "jetstream.WithMsgID(m.ID)", of("natsfeed", "^TestStreamThatIsMadeAnew$")},
		{"begin at the end when the consumer was deleted", "../hisadapter/feed/natsfeed/position.go", "case !since.IsZero():", "case !since.IsZero() && s.Create == CreateNothing:", of("natsfeed", "^TestConsumerThatIsDeleted$")},
		{"take a consumer of NATS that gives up", "../hisadapter/feed/natsfeed/position.go", "case c.MaxDeliver > 0:", "case c.MaxDeliver > 100:", of("natsfeed", "^TestConsumersThatBreakPromises$")},
		{"acknowledge to RabbitMQ what was refused", "../hisadapter/feed/rabbitfeed/driver.go", "if err := r.sink.Deliver(ctx, messages); err != nil {", "if err := r.sink.Deliver(ctx, messages); err != nil {\n\t\t_ = r.ch.Ack(batch[len(batch)-1].DeliveryTag, true)", of("rabbitfeed", "^TestDriver$/^refused")},
		{"let others read the queue", "../hisadapter/feed/rabbitfeed/place.go", "false, !s.Shared, false", "false, false, false", of("rabbitfeed", "^TestBroker$/^a_queue_is_read_by_one")},
		{"call a letter buried that no queue took", "../hisadapter/feed/rabbitfeed/burial.go", "b.queue, true, false, amqp.Publishing{", "b.queue, false, false, amqp.Publishing{", of("rabbitfeed", "^TestBroker$/^burial")},
		{"fetch all of a queue", "../hisadapter/feed/rabbitfeed/place.go", "ch.Qos(batch, 0, false)", "ch.Qos(0, 0, false)", of("rabbitfeed", "^TestDriver$/^slow")},
		{"commit to Kafka what was refused", "../hisadapter/feed/kafkafeed/reader.go", "if err := r.sink.Deliver(ctx, batch); err != nil {", "if err := r.sink.Deliver(ctx, batch); err != nil {\n\t\t\t_ = cl.CommitRecords(ctx, records...)", of("kafkafeed", "^TestDriver$/^refused")},
		{"forget where a group began", "../hisadapter/feed/kafkafeed/reader.go", "if len(beginnings) > 0 {", "if false {", of("kafkafeed", "^TestBroker$/^a_beginning")},
		{"begin an added partition at its end", "../hisadapter/feed/kafkafeed/group.go", "!committed && r.settings.Start == StartNew", "(committed || !committed) && r.settings.Start == StartNew", of("kafkafeed", "^TestBroker$/^partitions")},
		{"take what a topic that was made anew says for old", "../hisadapter/feed/kafkafeed/lost.go", "func (r *reader) anew(topics []string) {", "func (r *reader) anew(topics []string) {\n\ttopics = nil", of("kafkafeed", "^TestBroker$/^a_topic_is_made_anew")},
		{"give a topic up of which a broker has lost records", "../hisadapter/feed/kafkafeed/reader.go", "case r.isLoss(err), r.isOver(err):", "case r.isLoss(err) && r.partitions == 0, r.isOver(err):", of("kafkafeed", "^TestBrokerThatHasLostRecords$")},
		{"pass a batch over in silence that is too large", "../hisadapter/feed/kafkafeed/over.go", "if err := r.sink.Deliver(ctx, []feed.Message{unread(o)}); err != nil {", "if err := ctx.Err(); err != nil {", of("kafkafeed", "^TestBroker$/^a_batch_that")},
		{"take a tombstone for a message", "../hisadapter/feed/kafkafeed/reader.go", "if rec.Value == nil {", "if false {", of("kafkafeed", "^TestBroker$/^what_a_message_says")},
	}
}
