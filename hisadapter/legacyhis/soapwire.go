package legacyhis

import (
	"encoding/xml"
	"time"
)

// The inner documents of the SOAP dialect.

type soapRequest struct {
	XMLName xml.Name `xml:"Request"`
	Head    struct {
		TradeCode string `xml:"TradeCode"`
		Operator  string `xml:"Operator"`
		MsgID     string `xml:"MsgId"`
		ReqTime   string `xml:"ReqTime"`
		Token     string `xml:"Token"`
		Sign      string `xml:"Sign"`
	} `xml:"Head"`
	Body soapBody `xml:"Body"`
}

type soapBody struct {
	User         string     `xml:"UserName"`
	Password     string     `xml:"Password"`
	PharmacyCode string     `xml:"PharmacyCode"`
	DrugCodes    []string   `xml:"Drugs>DrugCode"`
	OrderNo      string     `xml:"OrderNo"`
	FreezeNo     string     `xml:"FreezeNo"`
	HisOrderNo   string     `xml:"HisOrderNo"`
	HoldUntil    string     `xml:"HoldUntil"`
	TotalAmount  string     `xml:"TotalAmount"`
	PayNo        string     `xml:"PayNo"`
	PayTime      string     `xml:"PayTime"`
	PatientID    string     `xml:"PatientId"`
	RxNo         string     `xml:"RxNo"`
	BillDate     string     `xml:"BillDate"`
	Items        []soapItem `xml:"Items>Item"`
}

type soapItem struct {
	DrugCode string `xml:"DrugCode"`
	PackQty  string `xml:"PackQty"`
	Amount   string `xml:"Amount,omitempty"`
}

type soapAnswer struct {
	XMLName      xml.Name    `xml:"Response"`
	ResultCode   int         `xml:"ResultCode"`
	ResultMsg    string      `xml:"ResultMsg"`
	Token        string      `xml:"Token,omitempty"`
	ValidSeconds int         `xml:"ValidSeconds,omitempty"`
	FreezeNo     string      `xml:"FreezeNo,omitempty"`
	ExpireTime   string      `xml:"ExpireTime,omitempty"`
	HisOrderNo   string      `xml:"HisOrderNo,omitempty"`
	Status       string      `xml:"Status,omitempty"` // 1 frozen, 2 deducted, 3 given back, 4 ran out
	Rows         []soapRow   `xml:"Rows>Row"`
	Orders       []soapOrder `xml:"Orders>Order"`
}

// soapRow is one lot of one drug.
type soapRow struct {
	PharmacyCode string `xml:"PharmacyCode"`
	DrugCode     string `xml:"DrugCode"`
	DrugName     string `xml:"DrugName"`
	MinUnit      string `xml:"MinUnit"`
	PackRatio    int64  `xml:"PackRatio"`
	PackPrice    string `xml:"PackPrice"`
	SellStep     int64  `xml:"SellStep"` // smallest units
	StopFlag     int    `xml:"StopFlag"`
	LotNo        string `xml:"LotNo"`
	ExpiryDate   string `xml:"ExpiryDate"` // 20270131
	PackQty      string `xml:"PackQty"`
}

type soapOrder struct {
	OrderNo     string     `xml:"OrderNo"`
	HisOrderNo  string     `xml:"HisOrderNo"`
	TotalAmount string     `xml:"TotalAmount"`
	CancelFlag  string     `xml:"CancelFlag"` // Y or N
	Items       []soapItem `xml:"Items>Item"`
}

func soapYes() soapAnswer { return soapAnswer{ResultCode: 1, ResultMsg: "成功"} }

func soapEmpty() soapAnswer { return soapAnswer{ResultCode: 0, ResultMsg: "无数据"} }

func soapNo(words string) soapAnswer { return soapAnswer{ResultCode: -1, ResultMsg: words} }

// chinaTime is how the HIS writes a moment: in China's time, without saying so.
func chinaTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(shanghai).Format(time.DateTime)
}

// fromChinaTime reads it; "" is the zero time.
func fromChinaTime(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	t, err := time.ParseInLocation(time.DateTime, s, shanghai)
	return t, err == nil
}

// China has had no summer time since 1991.
var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)
