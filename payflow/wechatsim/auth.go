package wechatsim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const authScheme = "WECHATPAY2-SHA256-RSA2048"

// authenticate checks a request as WeChat does: headers, merchant, serial number, time window, signature, in this order.
func (s *Sim) authenticate(r *http.Request, body []byte, now time.Time) *apiError {
	if r.Header.Get("Accept") == "" || r.UserAgent() == "" {
		return invalidRequest("Http头缺少Accept或User-Agent")
	}
	fields, ok := parseAuthorization(r.Header.Get("Authorization"))
	if !ok {
		return signError("Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》")
	}
	seconds, err := strconv.ParseInt(fields["timestamp"], 10, 64)
	if err != nil {
		return signError("Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > 5*time.Minute || age < -5*time.Minute {
		return signError("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
	}
	if fields["mchid"] != s.opts.MchID {
		return signError("商户号不存在")
	}
	if fields["serial_no"] != s.ring.merchantSerial {
		return signError("商户证书序列号有误，请使用签名私钥匹配的证书序列号")
	}
	signature, err := base64.StdEncoding.DecodeString(fields["signature"])
	if err != nil {
		return signError("签名错误")
	}
	message := r.Method + "\n" + r.URL.RequestURI() + "\n" + fields["timestamp"] + "\n" + fields["nonce_str"] + "\n" + string(body) + "\n"
	sum := sha256.Sum256([]byte(message))
	if rsa.VerifyPKCS1v15(s.ring.merchant, crypto.SHA256, sum[:], signature) != nil {
		return signError("签名错误")
	}
	return nil
}

// parseAuthorization splits `WECHATPAY2-SHA256-RSA2048 mchid="…",nonce_str="…",…`. All five fields must be there once
// and not be empty.
func parseAuthorization(header string) (map[string]string, bool) {
	scheme, rest, ok := strings.Cut(header, " ")
	if !ok || scheme != authScheme {
		return nil, false
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || len(value) < 3 || value[0] != '"' || value[len(value)-1] != '"' {
			return nil, false
		}
		if _, twice := fields[name]; twice {
			return nil, false
		}
		fields[name] = value[1 : len(value)-1]
	}
	for _, name := range []string{"mchid", "nonce_str", "timestamp", "serial_no", "signature"} {
		if fields[name] == "" {
			return nil, false
		}
	}
	return fields, len(fields) == 5
}

// answerKey picks the platform key that signs the answer to r. A Wechatpay-Serial that names a key this merchant does
// not have is an error, as it would be at WeChat, where it names the key of encrypted fields.
func (s *Sim) answerKey(r *http.Request) (signer, *apiError) {
	asked := r.Header.Get("Wechatpay-Serial")
	certificate := s.opts.Mode != ModePublicKey
	publicKey := s.opts.Mode != ModeCertificate
	switch {
	case asked == s.ring.certificate.serial && certificate:
		return s.ring.certificate, nil
	case asked == s.ring.publicKey.serial && publicKey:
		return s.ring.publicKey, nil
	case asked == "":
		return s.defaultKey(), nil
	}
	return s.defaultKey(), &apiError{
		http.StatusBadRequest, "PARAM_ERROR", "平台证书序列号Wechatpay-Serial错误",
		&detail{"Wechatpay-Serial", "unknown serial number", "header"},
	}
}

func (s *Sim) defaultKey() signer {
	if s.opts.Mode == ModePublicKey {
		return s.ring.publicKey
	}
	return s.ring.certificate
}
