package main

import (
	"io"
	"regexp"
)

// masks are what a person or a key can be known by, wherever it stands. What is
// kept (the groups) says what stood there.
var masks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]+-----.*?(-----END [A-Z0-9 ]+-----|$)`), "[pem]"},
	{regexp.MustCompile(`(?i)(\bBearer\s+|\bBasic\s+)[A-Za-z0-9._~+/=-]+`), "${1}[token]"},
	{regexp.MustCompile(`\bhg_[A-Za-z0-9_-]{8,}`), "[token]"},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?`), "[token]"},
	{regexp.MustCompile(`(WECHATPAY2-SHA256-RSA2048)[^\n]*`), "$1 [signature]"},
	{regexp.MustCompile(`(://)[^/\s:@"]+:[^/\s@"]+@`), "${1}[account]@"},
	// Fields of JSON and of text logs that are named for a secret or a person.
	{regexp.MustCompile(`(?i)(\\*"(?:[a-z0-9_.-]*(?:openid|password|passwd|secret|api_?key|authorization|phone|mobile|id_?card|identity)|token|access_token|patient(?:_?name)?|payer(?:_?name)?|receiver(?:_?name)?|user_?name|real_?name|address|xm|xingming|sfzh|lxdh)\\*"\s*:\s*\\*")[^"\\]*`), "${1}[masked]"},
	{regexp.MustCompile(`(?i)\b((?:[a-z0-9_.-]*(?:openid|password|passwd|secret|api_?key|phone|mobile|id_?card)|token|access_token|patient(?:_?name)?|payer(?:_?name)?|receiver(?:_?name)?|real_?name|address|xm|sfzh|lxdh)=)("[^"]*"|[^\s&"]+)`), "${1}[masked]"},
	{regexp.MustCompile(`((?:姓名|患者|病人|收件人|收货人|联系人|持卡人)(?:姓名)?[\s:：=]*["“]?)[\p{Han}·]{2,10}`), "${1}[name]"},
	{regexp.MustCompile(`\bo[A-Za-z0-9_-]{27}\b`), "[openid]"},
	{regexp.MustCompile(`(^|[^0-9A-Za-z])[1-9]\d{16}[0-9Xx]($|[^0-9A-Za-z])`), "${1}[id card]$2"},
	{regexp.MustCompile(`(^|[^0-9A-Za-z])(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}($|[^0-9A-Za-z])`), "${1}[phone]$2"},
}

// masked takes out of a text what it can be told by that it concerns a person or
// opens a door: openid, names in named fields, numbers like those of telephones
// and identity cards, tokens, keys. Order numbers stay, for they are what a
// question is about.
func masked(s string) string {
	for _, m := range masks {
		s = m.what.ReplaceAllString(s, m.with)
		if m.what.NumSubexp() == 2 { // neighbours share the character between them
			s = m.what.ReplaceAllString(s, m.with)
		}
	}
	return s
}

// readAtMost reads up to so many bytes and leaves the rest.
func readAtMost(r io.Reader, n int64) ([]byte, error) { return io.ReadAll(io.LimitReader(r, n)) }
