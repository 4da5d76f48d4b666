package legacyhis

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/emmansun/gmsm/sm3"
)

// sign makes the signature that a call must have.
func (s *JSONSign) sign(q jsonEnvelope) string {
	if s.cfg.Cipher != nil {
		mac := hmac.New(sha256.New, []byte(s.cfg.Key))
		mac.Write([]byte(q.signed()))
		return fmt.Sprintf("%X", mac.Sum(nil))
	}
	sum := sm3.Sum([]byte(q.signed() + "&key=" + s.cfg.Key))
	return hex.EncodeToString(sum[:])
}

var errSealed = errors.New("data cannot be deciphered")

// open takes the document out of data.
func (s *JSONSign) open(data string) ([]byte, error) {
	if s.cfg.Cipher == nil {
		return []byte(data), nil
	}
	sealed, err := base64.StdEncoding.DecodeString(data)
	if err != nil || len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, errSealed
	}
	block, err := aes.NewCipher(s.cfg.Cipher)
	if err != nil {
		return nil, err
	}
	cipher.NewCBCDecrypter(block, s.cfg.IV).CryptBlocks(sealed, sealed)
	pad := int(sealed[len(sealed)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.HasSuffix(sealed, []byte(strings.Repeat(string(rune(pad)), pad))) {
		return nil, errSealed
	}
	return sealed[:len(sealed)-pad], nil
}

// seal puts a document into data.
func (s *JSONSign) seal(document []byte) string {
	if s.cfg.Cipher == nil {
		return string(document)
	}
	pad := aes.BlockSize - len(document)%aes.BlockSize
	padded := append(bytes.Clone(document), bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := aes.NewCipher(s.cfg.Cipher)
	if err != nil {
		return "" // nobody can read it; the configuration is at fault
	}
	cipher.NewCBCEncrypter(block, s.cfg.IV).CryptBlocks(padded, padded)
	return base64.StdEncoding.EncodeToString(padded)
}
