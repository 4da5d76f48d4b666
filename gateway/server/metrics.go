package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter/guard"
	"github.com/hisgate/hisgate/payflow"
)

// metrics are the figures of the edge itself. Those of the cores are read when
// they are asked for, by the collector.
type metrics struct {
	// requests counts calls that ended, by full method and gRPC code, whichever
	// way they came. INTERNAL is a fault of hisgate; UNAVAILABLE mostly the HIS's.
	requests *prometheus.CounterVec
	// duration is how long unary calls and streams took, in seconds.
	duration *prometheus.HistogramVec
	// panics should stay 0.
	panics prometheus.Counter
	// limited counts calls and connections refused by the limits on callers, by the
	// limit.
	limited *prometheus.CounterVec

	admission *admission // where what is under way is read
	doors     *doors     // where connections are counted
}

func newMetrics(o *Options) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hisgate_requests_total", Help: "Calls that ended, by method and gRPC code.",
		}, []string{"method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hisgate_request_duration_seconds", Help: "How long calls took.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hisgate_panics_total", Help: "Calls that ended in a panic.",
		}),
	}
	m.limited = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hisgate_limited_total", Help: "Calls and connections refused at the door, by the limit that they met.",
	}, []string{"scope"})
	for _, s := range scopes {
		m.limited.WithLabelValues(string(s))
	}
	m.admission = newAdmission(o, func(s scope) { m.limited.WithLabelValues(string(s)).Inc() })
	m.doors = &doors{admit: m.admission}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "hisgate_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": o.Version},
	})
	build.Set(1)
	for _, c := range []prometheus.Collector{
		m.requests, m.duration, m.panics, m.limited, build, newCollector(o, m.admission, m.doors),
	} {
		if err := o.Registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) observe(method string, code codes.Code, took time.Duration) {
	m.requests.WithLabelValues(method, code.String()).Inc()
	m.duration.WithLabelValues(method).Observe(took.Seconds())
}

// collector reads the figures of the cores when Prometheus asks.
type collector struct {
	gw      *gateway.Gateway
	orders  *payflow.Service
	guard   func() guard.State
	figures func() Figures
	door    *admission
	doors   *doors
	now     func() time.Time
	descs   map[string]*prometheus.Desc
}

func newCollector(o *Options, door *admission, doors *doors) *collector {
	c := &collector{gw: o.Gateway, orders: o.Orders, guard: o.Guard, figures: o.Figures, door: door, doors: doors, now: o.Now, descs: map[string]*prometheus.Desc{}}
	for _, d := range collected {
		c.descs[d.name] = prometheus.NewDesc(d.name, d.help, d.labels, nil)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	send := func(kind prometheus.ValueType) func(name string, v float64, labels ...string) {
		return func(name string, v float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(c.descs[name], kind, v, labels...)
		}
	}
	gauge, counter := send(prometheus.GaugeValue), send(prometheus.CounterValue)
	c.collectDoor(gauge)
	c.collectLedger(gauge, counter, func(m prometheus.Metric) { out <- m })
	c.collectOrders(gauge, counter)
	c.collectGuard(gauge, counter)
	c.collectProgram(gauge, counter, func(m prometheus.Metric) { out <- m })
}
