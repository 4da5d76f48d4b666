package example;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.LocalizedMessage;
import com.google.rpc.RetryInfo;
import hisgate.v1.Errors.Shortage;
import hisgate.v1.Errors.Shortages;
import hisgate.v1.LockServiceGrpc;
import hisgate.v1.OrderServiceGrpc;
import hisgate.v1.StockServiceGrpc;
import io.grpc.ChannelCredentials;
import io.grpc.Deadline;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.AbstractStub;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * What the examples share, and what a program of your own may begin with: the connection, and {@link #call}, which
 * gives each call a deadline, a number, repeats where they are harmless, and an exception that carries hisgate's reason.
 *
 * <p>The environment says where hisgate is: HISGATE_ADDR (127.0.0.1:9090), HISGATE_TOKEN_FILE, HISGATE_CA_FILE,
 * HISGATE_CERT_FILE, HISGATE_KEY_FILE.
 */
final class Hisgate implements AutoCloseable {
  private static final Metadata.Key<String> AUTHORIZATION = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
  private static final Metadata.Key<String> REQUEST_ID = Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);
  private static final int ATTEMPTS = 4;

  final StockServiceGrpc.StockServiceBlockingStub stock;
  final LockServiceGrpc.LockServiceBlockingStub locks;
  final OrderServiceGrpc.OrderServiceBlockingStub orders;
  private final ManagedChannel channel;

  /** Prepares the connection; it does not wait for it. Without an authority it is plain, to a loopback address alone. */
  Hisgate() throws IOException {
    String address = env("HISGATE_ADDR", "127.0.0.1:9090");
    String ca = env("HISGATE_CA_FILE", "");
    if (ca.isEmpty() && !address.matches("(127\\.|localhost:|\\[::1]).*")) {
      throw new IllegalArgumentException(address + " is not a loopback address: set HISGATE_CA_FILE");
    }
    ManagedChannelBuilder<?> builder = Grpc.newChannelBuilder(address, credentials(ca));
    channel = builder
        .proxyDetector(target -> null) // a sidecar is never behind the proxy to the internet
        .keepAliveTime(20, TimeUnit.SECONDS) // hisgate permits a ping every 10 s
        .keepAliveTimeout(10, TimeUnit.SECONDS)
        .disableRetry() // call repeats, and knows the reasons
        .maxInboundMessageSize(32 << 20)
        .build();
    stock = StockServiceGrpc.newBlockingStub(channel);
    locks = LockServiceGrpc.newBlockingStub(channel);
    orders = OrderServiceGrpc.newBlockingStub(channel);
  }

  private static ChannelCredentials credentials(String ca) throws IOException {
    if (ca.isEmpty()) {
      return InsecureChannelCredentials.create();
    }
    TlsChannelCredentials.Builder tls = TlsChannelCredentials.newBuilder().trustManager(new File(ca));
    String cert = env("HISGATE_CERT_FILE", "");
    if (!cert.isEmpty()) {
      tls.keyManager(new File(cert), new File(env("HISGATE_KEY_FILE", "")));
    }
    return tls.build();
  }

  static String env(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  @Override
  public void close() {
    channel.shutdownNow();
  }

  /**
   * Makes a unary call, with at most 30 s for it and its repeats. All methods used here may be repeated: the same
   * order_no answers the same.
   *
   * @param stub one of the stubs
   * @param call what to do with the stub that it gets
   * @throws Failure when hisgate refused, or did not answer
   */
  static <S extends AbstractStub<S>, T> T call(S stub, Function<S, T> call) throws InterruptedException {
    Deadline deadline = Deadline.after(30, TimeUnit.SECONDS);
    String requestId = UUID.randomUUID().toString();
    S numbered = headers(stub, requestId).withDeadline(deadline);
    for (int attempt = 1; ; attempt++) {
      try {
        return call.apply(numbered);
      } catch (StatusRuntimeException e) {
        Failure failure = new Failure(e, requestId);
        long wanted = failure.retryAfterMillis > 0 ? failure.retryAfterMillis : Math.min(100L << (attempt - 1), 5000);
        long pause = wanted + ThreadLocalRandom.current().nextLong(wanted / 4 + 1); // callers shall not come back together
        if (attempt >= ATTEMPTS || !failure.passes() || pause >= deadline.timeRemaining(TimeUnit.MILLISECONDS)) {
          throw failure;
        }
        Thread.sleep(pause);
      }
    }
  }

  /** Gives a stub the number of the call and the caller's token. */
  static <S extends AbstractStub<S>> S headers(S stub, String requestId) {
    Metadata headers = new Metadata();
    headers.put(REQUEST_ID, requestId);
    String file = env("HISGATE_TOKEN_FILE", "");
    if (!file.isEmpty()) {
      try {
        headers.put(AUTHORIZATION, "Bearer " + Files.readString(Path.of(file)).trim());
      } catch (IOException e) {
        throw Status.UNAUTHENTICATED.withDescription("the token cannot be read").withCause(e).asRuntimeException();
      }
    }
    return stub.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  /** What a failed call throws. Programs decide by the reason; code is gRPC's, for when there is none. */
  static final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1;

    final Status.Code code;
    final String requestId; // hisgate's log knows the call by it
    final transient List<Shortage> shortages = new ArrayList<>();
    String reason = "";
    String chinese;
    long retryAfterMillis;

    Failure(StatusRuntimeException cause, String requestId) {
      super(cause.getStatus().getDescription(), cause);
      this.code = cause.getStatus().getCode();
      this.requestId = requestId;
      this.chinese = getMessage();
      com.google.rpc.Status status = StatusProto.fromThrowable(cause);
      if (status == null) {
        return;
      }
      try {
        for (Any detail : status.getDetailsList()) {
          read(detail);
        }
      } catch (InvalidProtocolBufferException e) {
        addSuppressed(e); // the code still counts
      }
    }

    private void read(Any detail) throws InvalidProtocolBufferException {
      if (detail.is(ErrorInfo.class)) {
        ErrorInfo info = detail.unpack(ErrorInfo.class);
        if (info.getDomain().equals("hisgate")) {
          reason = info.getReason();
        }
      } else if (detail.is(RetryInfo.class)) {
        com.google.protobuf.Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
        retryAfterMillis = delay.getSeconds() * 1000 + delay.getNanos() / 1_000_000;
      } else if (detail.is(LocalizedMessage.class)) {
        LocalizedMessage words = detail.unpack(LocalizedMessage.class);
        if (words.getLocale().startsWith("zh")) {
          chinese = words.getMessage();
        }
      } else if (detail.is(Shortages.class)) {
        shortages.addAll(detail.unpack(Shortages.class).getShortagesList());
      }
    }

    /** The call may have been carried out although it failed: make it again with the same order_no. */
    boolean mayHaveHappened() {
      switch (code) {
        case UNAVAILABLE:
        case DEADLINE_EXCEEDED:
        case CANCELLED:
        case UNKNOWN:
        case INTERNAL:
        case DATA_LOSS:
          return true;
        default:
          return false;
      }
    }

    /** It may be gone in a moment. */
    boolean passes() {
      if (code == Status.Code.UNAVAILABLE) {
        return !reason.equals("HIS_MISCONFIGURED") && !reason.equals("DISK_RESERVE");
      }
      return code == Status.Code.RESOURCE_EXHAUSTED && retryAfterMillis > 0;
    }
  }
}
