package legacyhis

import (
	"net/http"
	"strings"
)

// pipeObject is an answer of the pipe dialect: fields in their order.
type pipeObject []pipeField

type pipeField struct {
	key   string
	value string // as it is written, quotes included
}

// with adds a number, or anything that is written as it stands.
func (o pipeObject) with(key, value string) pipeObject { return append(o, pipeField{key, value}) }

// text adds a string.
func (o pipeObject) text(key, value string) pipeObject {
	return o.with(key, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)+`"`)
}

// list adds objects.
func (o pipeObject) list(key string, objects []pipeObject) pipeObject {
	all := make([]string, 0, len(objects))
	for _, x := range objects {
		all = append(all, x.String())
	}
	return o.with(key, "["+strings.Join(all, ",")+"]")
}

// String writes the object with bare keys.
func (o pipeObject) String() string {
	fields := make([]string, 0, len(o))
	for _, f := range o {
		fields = append(fields, f.key+":"+f.value)
	}
	return "{" + strings.Join(fields, ",") + "}"
}

func pipeYes() pipeObject { return pipeObject{}.with("code", "1").text("msg", "成功") }

func pipeEmpty() pipeObject { return pipeObject{}.with("code", "2").text("msg", "无记录") }

func pipeNo(number, words string) pipeObject {
	return pipeObject{}.with("code", "0").with("err", number).text("msg", words)
}

func pipeSheet(o pipeObject) sheet {
	return sheet{http.StatusOK, "text/plain; charset=GBK", toGB(o.String())}
}
