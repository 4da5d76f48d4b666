package wechatsim

import (
	"net/http"
	"time"
)

type sealedCertificate struct {
	SerialNo      string   `json:"serial_no"`
	EffectiveTime string   `json:"effective_time"`
	ExpireTime    string   `json:"expire_time"`
	Encrypted     resource `json:"encrypt_certificate"`
}

// decodeCertificates hands out the platform certificate, sealed with the APIv3 key; 404 for a merchant that has none.
func (s *Sim) decodeCertificates(*http.Request, []byte) (call, *apiError) {
	if s.opts.Mode == ModePublicKey {
		return call{}, notFound("RESOURCE_NOT_EXISTS", "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥。")
	}
	return call{apply: func(time.Time, Fault) answer {
		c := sealedCertificate{
			SerialNo: s.ring.certificate.serial, EffectiveTime: rfc3339(s.ring.certNotBefore),
			ExpireTime: rfc3339(s.ring.certNotAfter),
			Encrypted:  resource{Algorithm: "AEAD_AES_256_GCM", AssociatedData: "certificate", Nonce: randomHex(6)},
		}
		sealed, err := seal(s.ring.apiV3, c.Encrypted.Nonce, c.Encrypted.AssociatedData, []byte(s.ring.platformCert))
		if err != nil {
			return s.failure(&apiError{Status: http.StatusInternalServerError, Code: "SYSTEM_ERROR", Message: err.Error()})
		}
		c.Encrypted.Ciphertext = sealed
		return jsonAnswer(http.StatusOK, map[string]any{"data": []sealedCertificate{c}})
	}}, nil
}
