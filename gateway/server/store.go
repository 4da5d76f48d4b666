package server

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

// Store is the data folder as a whole, under the ledger and the orders.
type Store interface {
	// Verify verifies all records of one moment, and what is computed from them.
	// It blocks until that is done; errors are that it could not be.
	Verify(ctx context.Context) (*hisgatev1.LedgerReport, error)
	// Backup writes a backup of one moment. It blocks as w does.
	Backup(ctx context.Context, w io.Writer) error
}

// VerifyLedger implements OpsService.
func (s *opsService) VerifyLedger(ctx context.Context, _ *hisgatev1.VerifyLedgerRequest) (*hisgatev1.LedgerReport, error) {
	if s.store == nil {
		return nil, status.Error(codes.Unimplemented, "this server has no folder to verify")
	}
	select {
	case s.verifying <- struct{}{}:
		defer func() { <-s.verifying }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.store.Verify(ctx)
}

// Backup implements OpsService.
func (s *opsService) Backup(_ *hisgatev1.BackupRequest, stream grpc.ServerStreamingServer[hisgatev1.BackupChunk]) error {
	if s.store == nil {
		return status.Error(codes.Unimplemented, "this server has no folder to back up")
	}
	return s.store.Backup(stream.Context(), chunks{stream})
}

// chunks sends what is written to it.
type chunks struct {
	stream grpc.ServerStreamingServer[hisgatev1.BackupChunk]
}

// maxChunk bounds a message of a backup, well below what clients take.
const maxChunk = 256 << 10

// Write implements io.Writer.
func (c chunks) Write(p []byte) (n int, err error) {
	for n < len(p) {
		piece := p[n:min(n+maxChunk, len(p))]
		if err := c.stream.Send(&hisgatev1.BackupChunk{Data: piece}); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}
