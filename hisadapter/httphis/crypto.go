package httphis

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/emmansun/gmsm/sm3"
)

// The cryptography that hospital systems use. MD5, SHA-1 and ECB are here
// because they demand them, not because they protect anything.

func hashNamed(name string) func() hash.Hash {
	switch name {
	case "md5":
		return md5.New
	case "sha1":
		return sha1.New
	case "sha256":
		return sha256.New
	case "sm3":
		return sm3.New
	default:
		return nil
	}
}

// cryptoFilter finds digests, keyed digests and ciphers. They work on the bytes
// of a text in the HIS's charset.
func cryptoFilter(name string) (filter, bool) {
	f := filter{in: printable(), out: always(kBytes), oneWay: true, usage: name}
	if h := hashNamed(name); h != nil {
		f.apply = func(e *env, v value, _ []value) (value, error) {
			b, err := e.bytesOf(v)
			d := h()
			d.Write(b)
			return value{kind: kBytes, bytes: d.Sum(nil)}, err
		}
		return f, true
	}
	if h := hashNamed(strings.TrimPrefix(name, "hmac_")); h != nil {
		f.usage, f.args, f.min = name+" secret.key", []wanted{wantValue}, 1
		f.apply = func(e *env, v value, args []value) (value, error) {
			b, err := e.bytesOf(v)
			if err != nil {
				return value{}, err
			}
			key, err := e.bytesOf(args[0])
			d := hmac.New(h, key)
			d.Write(b)
			return value{kind: kBytes, bytes: d.Sum(nil)}, err
		}
		return f, true
	}
	if name != "aes_ecb" && name != "aes_cbc" {
		return filter{}, false
	}
	f.usage, f.args, f.min = "aes_ecb secret.key", []wanted{wantValue}, 1
	if name == "aes_cbc" {
		f.usage, f.args, f.min = "aes_cbc secret.key secret.iv", []wanted{wantValue, wantValue}, 2
	}
	f.apply = func(e *env, v value, args []value) (value, error) {
		b, err := e.bytesOf(v)
		if err != nil {
			return value{}, err
		}
		key, err := e.bytesOf(args[0])
		if err != nil {
			return value{}, err
		}
		var iv []byte
		if name == "aes_cbc" {
			if iv, err = e.bytesOf(args[1]); err != nil {
				return value{}, err
			}
		}
		out, err := encryptAES(b, key, iv)
		return value{kind: kBytes, bytes: out}, err
	}
	return f, true
}

// encryptAES pads by PKCS7 and encrypts, in CBC with an iv and in ECB without.
func encryptAES(plain, key, iv []byte) ([]byte, error) {
	block, err := newAES(key, iv)
	if err != nil {
		return nil, err
	}
	n := aes.BlockSize - len(plain)%aes.BlockSize
	out := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
	if iv != nil {
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
		return out, nil
	}
	for i := 0; i < len(out); i += aes.BlockSize {
		block.Encrypt(out[i:], out[i:])
	}
	return out, nil
}

// decryptAES undoes encryptAES. Its error says nothing of the padding beyond
// that the answer is not what it should be.
func decryptAES(secret, key, iv []byte) ([]byte, error) {
	block, err := newAES(key, iv)
	if err != nil {
		return nil, err
	}
	if len(secret) == 0 || len(secret)%aes.BlockSize != 0 {
		return nil, errors.New("the answer is not a whole number of AES blocks")
	}
	out := make([]byte, len(secret))
	if iv != nil {
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, secret)
	} else {
		for i := 0; i < len(out); i += aes.BlockSize {
			block.Decrypt(out[i:], secret[i:])
		}
	}
	n := int(out[len(out)-1])
	if n == 0 || n > aes.BlockSize || !bytes.Equal(out[len(out)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return nil, errors.New("the answer cannot be decrypted")
	}
	return out[:len(out)-n], nil
}

// newAES never puts the key into an error.
func newAES(key, iv []byte) (cipher.Block, error) {
	if iv != nil && len(iv) != aes.BlockSize {
		return nil, fmt.Errorf("an AES iv has %d bytes, not %d", aes.BlockSize, len(iv))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("an AES key has 16, 24 or 32 bytes, not %d", len(key))
	}
	return block, nil
}
