package wechat

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/hisgate/hisgate/payflow"
)

// Close implements payflow.PayChannel. 202 USER_PAYING, which the SDK's CloseOrder takes for success, is ChannelUnknown
// with Code USERPAYING: the patient is typing the password. Refused with ORDERPAID: query. Refused with ORDERNOTEXIST:
// WeChat has not seen the order yet, its prepay may still be under way.
func (c *Channel) Close(ctx context.Context, orderNo string) error {
	if e := checkOrderNo(orderNo); e != nil {
		return badInput(opClose, e)
	}
	body, err := json.Marshal(struct {
		MchID string `json:"mchid"`
	}{c.mchID})
	if err != nil {
		return badInput(opClose, &payflow.FieldError{Field: "mchid", Reason: "cannot be encoded"})
	}
	_, err = c.call(ctx, opClose, "/v3/pay/transactions/out-trade-no/"+orderNo+"/close", body, http.StatusNoContent)
	return err
}
