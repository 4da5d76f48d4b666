package hisgatev1_test

import (
	"errors"
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// files are all the files of the API.
func files() []protoreflect.FileDescriptor {
	return []protoreflect.FileDescriptor{
		hisgatev1.File_hisgate_v1_errors_proto,
		hisgatev1.File_hisgate_v1_stock_proto,
		hisgatev1.File_hisgate_v1_lock_proto,
		hisgatev1.File_hisgate_v1_order_proto,
		hisgatev1.File_hisgate_v1_ops_proto,
	}
}

// messages are all messages of a file, nested ones included, without map entries.
func messages(in protoreflect.MessageDescriptors) (out []protoreflect.MessageDescriptor) {
	for i := range in.Len() {
		if m := in.Get(i); !m.IsMapEntry() {
			out = append(append(out, m), messages(m.Messages())...)
		}
	}
	return out
}

// methods are all methods of the API.
func methods() (out []protoreflect.MethodDescriptor) {
	for _, f := range files() {
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			for j := range s.Methods().Len() {
				out = append(out, s.Methods().Get(j))
			}
		}
	}
	return out
}

// violated are the fields that an error of validation names.
func violated(err error) (fields []string) {
	if bad, ok := errors.AsType[*protovalidate.ValidationError](err); ok {
		for _, v := range bad.Violations {
			fields = append(fields, hisgatev1.ViolatedField(v))
		}
	}
	return fields
}

// newMessage is an empty message of a type.
func newMessage(t *testing.T, d protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	mt, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return mt.New().Interface()
}
