package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hisgate/hisgate/client"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// order takes an order, lets the patient pay, and follows it until the HIS has it.
func order(ctx context.Context, c *client.Client, no string) error {
	o, err := c.Orders.CreateOrder(ctx, &hisgatev1.CreateOrderRequest{
		OrderNo: no, Strategy: hisgatev1.Order_RESERVE, PharmacyId: pharmacy,
		Items: []*hisgatev1.OrderItem{{DrugId: drug, Quantity: 30}}, // what it costs, the HIS tells
		// A mini-program pays by JSAPI, with payer_openid, and hands payment.invoke to
		// wx.requestPayment.
		Payment:    &hisgatev1.PaymentSpec{Method: hisgatev1.Payment_NATIVE, Description: "互联网医院药费"},
		Attributes: map[string]string{"patient_id": "P1", "rx_no": "CF" + no},
	})
	if err != nil {
		return err // client.MayHaveHappened(err): the same again, with the same number
	}
	// WAIT instead of PAY: HIS or WeChat Pay are slow, and the order goes on by itself.
	for o.GetNext() == hisgatev1.Order_WAIT {
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		if o, err = c.Orders.PrepayOrder(ctx, &hisgatev1.PrepayOrderRequest{OrderNo: no}); err != nil {
			return err
		}
	}
	fmt.Printf("%s: %s, %d fen, next %s\n", no, o.GetStatus(), o.GetAmount().GetTotalFen(), o.GetNext())
	fmt.Printf("%s: show as a QR code: %s\n", no, o.GetPayment().GetCodeUrl())
	if err := simulatedPatientPays(ctx, no); err != nil {
		return err
	}
	if o, err = follow(ctx, c, no); err != nil {
		return err
	}
	fmt.Printf("%s: %s, HIS order %s\n", no, o.GetStatus(), o.GetHisOrderNo())
	return nil
}

// follow watches an order until it is over, or a person must settle it. A stream
// that breaks is opened again: it begins with the order as it is.
func follow(ctx context.Context, c *client.Client, no string) (*hisgatev1.Order, error) {
	for {
		last, err := watch(ctx, c, no)
		switch {
		case err == nil:
			return last, nil
		case !client.MayHaveHappened(err) || ctx.Err() != nil: // no such order, no permission
			return nil, err
		}
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

func watch(ctx context.Context, c *client.Client, no string) (*hisgatev1.Order, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Orders.WatchOrder(ctx, &hisgatev1.WatchOrderRequest{OrderNo: no})
	if err != nil {
		return nil, err
	}
	var last *hisgatev1.Order
	for {
		o, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return last, nil
		case err != nil:
			return nil, err
		case o.GetNext() == hisgatev1.Order_PERSON:
			return o, nil
		}
		last = o
	}
}

// simulatedPatientPays is for a try against hisgate sim or demo.
func simulatedPatientPays(ctx context.Context, no string) error {
	sim := os.Getenv("HISGATE_SIM_PAY")
	if sim == "" {
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, sim+"/sim/pay", strings.NewReader(fmt.Sprintf(`{"out_trade_no":%q}`, no)))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the simulated patient cannot pay: %s", resp.Status)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
