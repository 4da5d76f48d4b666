package server

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// firstOrError lets a stream over REST that fails before its first message
// answer as a unary call does, with its HTTP status and Retry-After:
// grpc-gateway would have it begin and write the error as its only line.
type firstOrError struct{ grpc.ClientConnInterface }

// NewStream implements grpc.ClientConnInterface.
func (c firstOrError) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := c.ClientConnInterface.NewStream(ctx, desc, method, opts...)
	if err != nil {
		return nil, err
	}
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", "."))
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return nil, err
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName(d.(protoreflect.MethodDescriptor).Output().FullName())
	if err != nil {
		return nil, err
	}
	return &peekedStream{ClientStream: s, first: kind.New().Interface()}, nil
}

// peekedStream reads its first message when it is asked for its header, which
// the generated code does before it begins an answer.
type peekedStream struct {
	grpc.ClientStream
	first  proto.Message
	peeked bool  // first or err is still to be handed out
	err    error // of the first message; io.EOF for a stream without one
}

// Header waits for the first message. Errors: that of the stream, unless it
// simply has no messages.
func (s *peekedStream) Header() (metadata.MD, error) {
	s.peeked, s.err = true, s.ClientStream.RecvMsg(s.first)
	if s.err != nil && !errors.Is(s.err, io.EOF) {
		return nil, s.err
	}
	return s.ClientStream.Header()
}

// SendMsg implements grpc.ClientStream. A stream that was refused before the request
// was sent tells so when it is read, as over a connection: the generated code would
// take io.EOF for the error itself.
func (s *peekedStream) SendMsg(m any) error {
	if err := s.ClientStream.SendMsg(m); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// RecvMsg implements grpc.ClientStream.
func (s *peekedStream) RecvMsg(m any) error {
	if !s.peeked {
		return s.ClientStream.RecvMsg(m)
	}
	s.peeked = false
	if s.err == nil {
		proto.Merge(m.(proto.Message), s.first)
	}
	return s.err
}
