package engine_test

import (
	"context"
	"fmt"

	"github.com/hisgate/hisgate/lockstore/engine"
	"github.com/hisgate/hisgate/lockstore/engine/memengine"
)

// A store judges in memory, hands over what it decided, and answers when that is
// durable. An answer that writes nothing waits for what was judged before it.
func ExampleCommitter() {
	c := engine.NewCommitter(memengine.New(memengine.Options{}), engine.CommitterOptions{})
	defer c.Close()
	ctx := context.Background()

	locked := c.Append(
		engine.Write{Key: []byte("lock/RX1"), Value: []byte("LOCKED")},
		engine.Write{Key: []byte("index/RX1")},
	)
	repeated := c.Barrier() // the same request again: same answer, nothing to write

	fmt.Println(locked.Wait(ctx), repeated.Wait(ctx))
	value, err := c.Engine().Get([]byte("lock/RX1"))
	fmt.Printf("%s %v\n", value, err)
	// Output:
	// <nil> <nil>
	// LOCKED <nil>
}
