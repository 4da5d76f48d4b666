package wechatsim_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/hisgate/hisgate/payflow/wechatsim"
)

// The official SDK against a simulator in the same process; the patient scans and pays.
func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: SUCCESS 1600
}

func example(ctx context.Context) error {
	keys, err := wechatsim.GenerateKeys()
	if err != nil {
		return err
	}
	sim, err := wechatsim.New(wechatsim.Options{MchID: "1900000109", Keys: keys})
	if err != nil {
		return err
	}
	defer sim.Close()

	key, err := utils.LoadPrivateKey(keys.MerchantPrivateKey)
	if err != nil {
		return err
	}
	platform, err := utils.LoadPublicKey(keys.PublicKey)
	if err != nil {
		return err
	}
	client, err := core.NewClient(ctx,
		option.WithWechatPayPublicKeyAuthCipher("1900000109", keys.MerchantSerial, key, keys.PublicKeyID, platform),
		option.WithHTTPClient(&http.Client{Transport: sim.RoundTripper()}))
	if err != nil {
		return err
	}
	pay := native.NativeApiService{Client: client}
	resp, _, err := pay.Prepay(ctx, native.PrepayRequest{
		Appid: core.String("wxd678efh567hg6787"), Mchid: core.String("1900000109"), OutTradeNo: core.String("RX2026112200123"),
		Description: core.String("互联网医院药费"), NotifyUrl: core.String("https://hospital.example/wechat/v1/payment"),
		Amount: &native.Amount{Total: core.Int64(1600)},
	})
	if err != nil {
		return err
	}
	if _, err := sim.PayCodeURL(ctx, *resp.CodeUrl); err != nil {
		return err
	}
	trade, _ := sim.Ledger().Trade("RX2026112200123")
	fmt.Println(trade.State, trade.Total)
	return nil
}
