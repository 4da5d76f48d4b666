package server

import (
	"io"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// strictJSON is the JSON of the API: the names of the .proto files, zero values
// and int64 as strings. In a request it refuses unknown fields and anything that
// follows the message. The messages of a stream are lines.
type strictJSON struct{ runtime.JSONPb }

func newJSON() *strictJSON {
	return &strictJSON{runtime.JSONPb{
		MarshalOptions: protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true},
	}}
}

// ContentType implements runtime.Marshaler.
func (*strictJSON) ContentType(any) string { return "application/json" }

// StreamContentType implements runtime.StreamContentType.
func (*strictJSON) StreamContentType(any) string { return "application/x-ndjson" }

// Delimiter implements runtime.Delimited.
func (*strictJSON) Delimiter() []byte { return []byte("\n") }

// Unmarshal implements runtime.Marshaler.
func (j *strictJSON) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return j.JSONPb.Unmarshal(data, v)
	}
	if err := protojson.Unmarshal(data, m); err != nil {
		return inOurNames(err, m.ProtoReflect().Descriptor())
	}
	return nil
}

// NewDecoder implements runtime.Marshaler. An empty body is io.EOF, which stands
// for an empty message; the field rules judge it.
func (j *strictJSON) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(data)) == "" {
			return io.EOF
		}
		return j.Unmarshal(data, v)
	})
}
