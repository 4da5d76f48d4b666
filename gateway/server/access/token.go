package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// tokenPrefix tells a token of ours from a JSON Web Token, and lets scanners of
// source code find one that leaked.
const tokenPrefix = "hg_"

// NewToken makes a token of 160 bits or so that nobody can guess, and what stands
// for it in the file of callers. The token itself is kept nowhere.
func NewToken() (token, sha256Hex string) {
	token = tokenPrefix + rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(token))
	return token, hex.EncodeToString(sum[:])
}

func isToken(bearer string) bool { return strings.HasPrefix(bearer, tokenPrefix) }
