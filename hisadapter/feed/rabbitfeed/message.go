package rabbitfeed

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hisgate/hisgate/hisadapter/feed"
)

func (s Settings) message(d *amqp.Delivery) feed.Message {
	m := feed.Message{
		ID:          s.Queue + ":" + d.MessageId,
		Body:        d.Body,
		ContentType: d.ContentType,
		Attributes:  map[string]string{"routing_key": d.RoutingKey, "exchange": d.Exchange},
		At:          d.Timestamp,
	}
	if d.MessageId == "" {
		// AMQP has no name for a message; the same body makes the same one.
		sum := sha256.Sum256(d.Body)
		m.ID = s.Queue + "#" + hex.EncodeToString(sum[:12])
	}
	for name, v := range d.Headers {
		if text, ok := headerText(v); ok {
			m.Attributes["header."+name] = text
		}
	}
	return m
}

// headerText writes a header of a simple type.
func headerText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	case time.Time:
		return v.UTC().Format(time.RFC3339), true
	case bool, int8, uint8, int16, uint16, int32, uint32, int64, float32, float64:
		return fmt.Sprint(v), true
	default: // tables, lists, decimals
		return "", false
	}
}
