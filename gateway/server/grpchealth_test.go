package server_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// Each service has a health of its own over gRPC, and none serves once the drain
// has begun.
func TestHealthOfEachService(t *testing.T) {
	w := newWorld(t, newFakePay())
	health := healthpb.NewHealthClient(w.conn)
	check := func(service string) (healthpb.HealthCheckResponse_ServingStatus, error) {
		got, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		return got.GetStatus(), err
	}
	services := []string{"", "hisgate.v1.StockService", "hisgate.v1.LockService", "hisgate.v1.OrderService", "hisgate.v1.OpsService"}
	for _, s := range services {
		if got, err := check(s); err != nil || got != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%q: %s, %v", s, got, err)
		}
	}
	if _, err := check("hisgate.v1.NoService"); status.Code(err) != codes.NotFound {
		t.Errorf("a service that is none: %v", err)
	}
	w.srv.Drain()
	for _, s := range services {
		if got, err := check(s); err != nil || got != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Errorf("draining, %q: %s, %v", s, got, err)
		}
	}
}

// Where payment is disabled OrderService takes no orders and says so; hisgate as a
// whole serves, so that nobody restarts it for that.
func TestHealthWithoutPayment(t *testing.T) {
	w := newWorld(t, nil)
	health := healthpb.NewHealthClient(w.conn)
	for service, want := range map[string]healthpb.HealthCheckResponse_ServingStatus{
		"":                        healthpb.HealthCheckResponse_SERVING,
		"hisgate.v1.StockService": healthpb.HealthCheckResponse_SERVING,
		"hisgate.v1.LockService":  healthpb.HealthCheckResponse_SERVING,
		"hisgate.v1.OpsService":   healthpb.HealthCheckResponse_SERVING,
		"hisgate.v1.OrderService": healthpb.HealthCheckResponse_NOT_SERVING,
	} {
		if got, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service}); err != nil || got.GetStatus() != want {
			t.Errorf("%q: %s, %v; want %s", service, got.GetStatus(), err, want)
		}
	}
}
