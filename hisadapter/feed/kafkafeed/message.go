package kafkafeed

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

// message makes a message of a record.
func message(rec *kgo.Record) feed.Message {
	m := feed.Message{
		ID:         fmt.Sprintf("%s:%d:%d", rec.Topic, rec.Partition, rec.Offset),
		Body:       rec.Value,
		Attributes: map[string]string{"topic": rec.Topic, "partition": strconv.Itoa(int(rec.Partition))},
		At:         rec.Timestamp,
	}
	if rec.Key != nil {
		m.Attributes["key"] = string(rec.Key)
	}
	for _, h := range rec.Headers {
		m.Attributes["header."+h.Key] = string(h.Value)
		if strings.EqualFold(h.Key, "content-type") {
			m.ContentType = string(h.Value)
		}
	}
	return m
}
