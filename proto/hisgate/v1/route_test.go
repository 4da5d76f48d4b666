package hisgatev1_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// TestRoutesReachTheirMethods: no route is caught by another, as
// orders/{order_no}:explain is by orders/{order_no} when OrderService is
// registered last. The variable of a path arrives as it was written.
func TestRoutesReachTheirMethods(t *testing.T) {
	mux := runtime.NewServeMux()
	if err := hisgatev1.RegisterREST(t.Context(), mux, dialEcho(t)); err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`\{.+\}`)
	for _, m := range methods() {
		verb, path := route(m.Options())
		url, want := variable.ReplaceAllString(path, "00123"), fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
		if url != path {
			want += " 00123"
		}
		r := httptest.NewRequestWithContext(t.Context(), strings.ToUpper(verb), url, http.NoBody)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if got := w.Body.String(); !strings.Contains(got, `"`+want+`"`) {
			t.Errorf("%s %s: got %s, want %s", verb, url, got, want)
		}
	}
}

// dialEcho connects to a server that answers every method with an error that
// says the method's name and the first path variable it got.
func dialEcho(t *testing.T) *grpc.ClientConn {
	t.Helper()
	inputs := map[string]protoreflect.MessageDescriptor{}
	for _, m := range methods() {
		inputs[fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())] = m.Input()
	}
	srv := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		name, _ := grpc.MethodFromServerStream(stream)
		in := dynamicpb.NewMessage(inputs[name])
		if err := stream.RecvMsg(in); err != nil && err != io.EOF {
			return err
		}
		for _, field := range []protoreflect.Name{"order_no", "case_id", "drug_id", "date"} {
			if fd := in.Descriptor().Fields().ByName(field); fd != nil && in.Has(fd) {
				name += " " + in.Get(fd).String()
			}
		}
		return status.Error(codes.Unimplemented, name)
	}))
	lis := bufconn.Listen(1 << 16)
	go func() { _ = srv.Serve(lis) }()
	t.Cleanup(srv.Stop)
	conn, err := grpc.NewClient("passthrough:echo",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
