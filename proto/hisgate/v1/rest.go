package hisgatev1

import (
	"context"
	"errors"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
)

// RegisterREST registers the routes of all services on mux; conn carries each
// call to the services.
//
// The order matters: of two routes that fit, mux takes the one registered last,
// and GET /v1/orders/{order_no} of OrderService fits /v1/orders/{order_no}:explain
// of OpsService, too. It also looks at that one first, so what is asked most stands
// at the end.
func RegisterREST(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
	return errors.Join(
		RegisterOrderServiceHandlerClient(ctx, mux, NewOrderServiceClient(conn)),
		RegisterOpsServiceHandlerClient(ctx, mux, NewOpsServiceClient(conn)),
		RegisterLockServiceHandlerClient(ctx, mux, NewLockServiceClient(conn)),
		RegisterStockServiceHandlerClient(ctx, mux, NewStockServiceClient(conn)),
	)
}
