package main

// brokerTable are the bugs in the drivers of message brokers.
func brokerTable() []mutant {
	nats, rabbit, kafka := []string{"../hisadapter/feed/natsfeed"}, []string{"../hisadapter/feed/rabbitfeed"}, []string{"../hisadapter/feed/kafkafeed"}
	return []mutant{
		{"acknowledge to NATS what was refused", "../hisadapter/feed/natsfeed/reader.go", "if err := r.sink.Deliver(ctx, messages); err != nil {", "if err := r.sink.Deliver(ctx, messages); err != nil {\n\t\t\t_ = r.acknowledge(life, batch)", nats},
		{"share a consumer of NATS without a word", "../hisadapter/feed/natsfeed/reader.go", "if at.Sequence.Consumer != r.pos.next {", "if false {", nats},
		{"let NATS deliver old messages after new ones", "../hisadapter/feed/natsfeed/position.go", "if info.NumAckPending > 0 {", "if false {", nats},
		{"take a consumer of NATS that gives up", "../hisadapter/feed/natsfeed/position.go", "case c.MaxDeliver > 0:", "case c.MaxDeliver > 100:", nats},
		{"acknowledge to RabbitMQ what was refused", "../hisadapter/feed/rabbitfeed/driver.go", "if err := r.sink.Deliver(ctx, messages); err != nil {", "if err := r.sink.Deliver(ctx, messages); err != nil {\n\t\t_ = r.ch.Ack(batch[len(batch)-1].DeliveryTag, true)", rabbit},
		{"let others read the queue", "../hisadapter/feed/rabbitfeed/place.go", "false, !s.Shared, false", "false, false, false", rabbit},
		{"call a letter buried that no queue took", "../hisadapter/feed/rabbitfeed/burial.go", "b.queue, true, false, amqp.Publishing{", "b.queue, false, false, amqp.Publishing{", rabbit},
		{"fetch all of a queue", "../hisadapter/feed/rabbitfeed/place.go", "ch.Qos(batch, 0, false)", "ch.Qos(0, 0, false)", rabbit},
		{"commit to Kafka what was refused", "../hisadapter/feed/kafkafeed/reader.go", "if err := r.sink.Deliver(ctx, batch); err != nil {", "if err := r.sink.Deliver(ctx, batch); err != nil {\n\t\t\t_ = cl.CommitRecords(ctx, records...)", kafka},
		{"forget where a group began", "../hisadapter/feed/kafkafeed/reader.go", "if len(beginnings) > 0 {", "if false {", kafka},
		{"begin an added partition at its end", "../hisadapter/feed/kafkafeed/group.go", "!committed && r.settings.Start == StartNew", "(committed || !committed) && r.settings.Start == StartNew", kafka},
		{"take a tombstone for a message", "../hisadapter/feed/kafkafeed/reader.go", "if rec.Value != nil {", "if true {", kafka},
	}
}
