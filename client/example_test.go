package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hisgate/hisgate/client"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// Stock is held for an order, deducted when the patient has paid, and given back
// when not.
func Example() {
	c, err := client.Dial("127.0.0.1:9090", client.Options{TokenFile: "/etc/shop/hisgate.token"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()

	const order = "RX2026112200123" // stored before the first call
	_, err = c.Locks.Lock(ctx, &hisgatev1.LockRequest{
		OrderNo: order, PharmacyId: "HLWYF", Ttl: durationpb.New(15 * time.Minute),
		Items: []*hisgatev1.LockItem{{DrugId: "00010041", Quantity: 30}},
	})
	switch {
	case client.ReasonOf(err) == hisgatev1.Reason_STOCK_INSUFFICIENT:
		fmt.Println("not enough; nothing is held")
	case client.MayHaveHappened(err):
		fmt.Println("not known yet: the same again in a minute, with the same order_no")
	case err != nil:
		log.Fatal(err)
	}
	// … the patient pays …
	if _, err := c.Locks.Confirm(ctx, &hisgatev1.ConfirmRequest{OrderNo: order}); err != nil {
		log.Print(err)
	}
}

// A hisgate on another host is spoken to over TLS; both sides show a certificate.
func ExampleTLSFiles() {
	files, err := client.TLSFiles("/etc/shop/hospital-ca.crt", "/etc/shop/shop.crt", "/etc/shop/shop.key")
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.Dial("hisgate.hospital.example:9090", client.Options{TLS: files})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
}

// Programs decide by the reason, people read the words.
func ExampleError() {
	say := func(err error) {
		if e, ok := errors.AsType[*client.Error](err); ok {
			for _, s := range e.Shortages {
				fmt.Printf("%s: %d wanted, %d there\n", s.GetDrugId(), s.GetRequested(), s.GetAvailable())
			}
			fmt.Println(e.Reason, e.Chinese())
		}
	}
	say(&client.Error{
		Reason: hisgatev1.Reason_STOCK_INSUFFICIENT, Message: "库存不足",
		Shortages: []*hisgatev1.Shortage{{DrugId: "00010041", Requested: 30, Available: 12}},
	})
	// Output:
	// 00010041: 30 wanted, 12 there
	// STOCK_INSUFFICIENT 库存不足
}

// What may have happened is asked again with the same number, never taken for a
// failure.
func ExampleMayHaveHappened() {
	lost := &client.Error{Code: codes.Unavailable, Reason: hisgatev1.Reason_OUTCOME_UNKNOWN}
	refused := &client.Error{Code: codes.FailedPrecondition, Reason: hisgatev1.Reason_STOCK_INSUFFICIENT}
	fmt.Println(client.MayHaveHappened(lost), client.MayHaveHappened(refused), client.MayHaveHappened(nil))
	// Output:
	// true false false
}
