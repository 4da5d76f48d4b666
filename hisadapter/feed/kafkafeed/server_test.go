package kafkafeed_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hisgate/hisgate/hisadapter/feed/feedtest"
	"github.com/hisgate/hisgate/internal/privateserver"
)

// asServer makes the test program a broker that speaks Kafka's protocol: its port,
// the address that it tells clients, and the folder of its data. So it can be
// killed without a word.
const asServer = "HISGATE_TEST_KAFKA_SERVER"

func TestMain(m *testing.M) {
	if args := strings.Fields(os.Getenv(asServer)); len(args) == 3 {
		fmt.Fprintln(os.Stderr, serve(args[0], args[1], args[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serve(port, told, dir string) error {
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	_, err = kfake.NewCluster(kfake.Ports(n), kfake.DataDir(dir), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		return listener{l, told}, err
	}))
	if err != nil {
		return err
	}
	select {}
}

// listener tells another address than the one that it listens on.
type listener struct {
	net.Listener
	told string
}

func (l listener) Addr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", l.told)
	if err != nil {
		return l.Listener.Addr()
	}
	return a
}

// broker is a private broker in a process of its own, behind a proxy that all
// tests share, because it tells its clients one address.
type broker struct {
	dir    string
	port   int
	proxy  *feedtest.Proxy
	server *privateserver.Server
}

func startBroker(t testing.TB) *broker {
	t.Helper()
	port, err := privateserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{dir: t.TempDir(), port: port}
	b.proxy = feedtest.NewProxy(t, b.address())
	b.start(t)
	t.Cleanup(func() {
		if err := b.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *broker) address() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

func (b *broker) start(t testing.TB) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s %s", asServer, b.port, b.proxy.Addr(), filepath.Join(b.dir, "data")))
	if b.server, err = privateserver.Start(cmd, "KILL", filepath.Join(b.dir, "log")); err != nil {
		t.Fatal(err)
	}
	cl := b.client(t)
	defer cl.Close()
	for range 4 {
		if err = b.server.Ready(context.Background(), cl.Ping); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// kill ends the broker as a crash would and starts it again.
func (b *broker) kill(t testing.TB) {
	t.Helper()
	if err := b.server.Stop(); err != nil {
		t.Fatal(err)
	}
	b.start(t)
}

// client connects the test to the broker, past the proxy, whatever address it is
// told.
func (b *broker) client(t testing.TB, more ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.address()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, b.address())
		}),
	}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// makeTopic makes a topic.
func (b *broker) makeTopic(t testing.TB, name string, partitions int32) {
	t.Helper()
	cl := b.client(t)
	defer cl.Close()
	req := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(t.Context(), cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// publish waits until the broker keeps everything.
func (b *broker) publish(t testing.TB, topic string, partition int, bodies []string) {
	t.Helper()
	cl := b.client(t)
	defer cl.Close()
	records := make([]*kgo.Record, len(bodies))
	for i, body := range bodies {
		records[i] = &kgo.Record{Topic: topic, Partition: int32(partition), Key: []byte("k"), Value: []byte(body)}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// read reads a topic of one partition that holds n records.
func (b *broker) read(t testing.TB, topic string, n int) []*kgo.Record {
	t.Helper()
	cl := b.client(t, kgo.ConsumeTopics(topic))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var out []*kgo.Record
	for len(out) < n {
		f := cl.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		out = append(out, f.Records()...)
	}
	return out
}
