package wechat

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
)

// parsePrivateKey reads apiclient_key.pem. Its errors never hold any of the text.
func parsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	if len(text) == 0 {
		return nil, errors.New("is missing")
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("is not PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "CERTIFICATE":
		return nil, errors.New("is a certificate; the private key (apiclient_key.pem) is needed")
	default:
		return nil, errors.New("is PEM, but no private key")
	}
	if err != nil {
		return nil, errors.New("is PEM, but its private key cannot be read")
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("is no RSA key")
	}
	return rsaKey, nil
}

// parsePublicKey reads pub_key.pem.
func parsePublicKey(text []byte) (*rsa.PublicKey, error) {
	if len(text) == 0 {
		return nil, errors.New("is missing")
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("is not PEM")
	}
	if block.Type == "CERTIFICATE" {
		return nil, errors.New("is a certificate; the WeChat Pay public key (pub_key.pem) is needed")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("is PEM, but its public key cannot be read")
	}
	rsaKey, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("is no RSA key")
	}
	return rsaKey, nil
}
