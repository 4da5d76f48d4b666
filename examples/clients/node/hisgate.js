// What the examples share, and what a program of your own may begin with: the
// connection, and call(), which gives each call a deadline, a number, repeats where
// they are harmless, and an error that carries hisgate's reason.
//
// The environment says where hisgate is: HISGATE_ADDR (127.0.0.1:9090),
// HISGATE_TOKEN_FILE, HISGATE_CA_FILE, HISGATE_CERT_FILE, HISGATE_KEY_FILE, and
// HISGATE_PROTOS, the folder of the unpacked protos.zip.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const here = path.dirname(fileURLToPath(import.meta.url));
const env = process.env;
const protos = env.HISGATE_PROTOS
  ? env.HISGATE_PROTOS.split(path.delimiter)
  : [path.join(here, '../../../proto'), path.join(here, '../../../.protodeps')]; // after make proto-deps

// int64 as strings: quantities and fen may exceed what a JavaScript number holds.
const definition = protoLoader.loadSync(
  ['hisgate/v1/stock.proto', 'hisgate/v1/lock.proto', 'hisgate/v1/order.proto', 'hisgate/v1/errors.proto',
    'google/rpc/status.proto', path.join(here, 'error_details.proto')],
  { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true, includeDirs: protos },
);
const api = grpc.loadPackageDefinition(definition).hisgate.v1;

// connect returns the services. It does not wait for the connection. Without an
// authority the connection is plain, to a loopback address alone.
export function connect() {
  const address = env.HISGATE_ADDR || '127.0.0.1:9090';
  if (!env.HISGATE_CA_FILE && !/^(127\.|localhost:|\[::1\])/.test(address)) {
    throw new Error(`${address} is not a loopback address: set HISGATE_CA_FILE`);
  }
  const file = (name) => (env[name] ? readFileSync(env[name]) : null);
  const credentials = env.HISGATE_CA_FILE
    ? grpc.credentials.createSsl(file('HISGATE_CA_FILE'), file('HISGATE_KEY_FILE'), file('HISGATE_CERT_FILE'))
    : grpc.credentials.createInsecure();
  const options = {
    'grpc.enable_http_proxy': 0,
    'grpc.keepalive_time_ms': 20_000, // hisgate permits a ping every 10 s
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 5_000,
    'grpc.max_receive_message_length': 32 << 20,
  };
  const services = {
    stock: new api.StockService(address, credentials, options),
    locks: new api.LockService(address, credentials, options),
    orders: new api.OrderService(address, credentials, options),
  };
  return { ...services, close: () => Object.values(services).forEach((s) => s.close()) };
}

// HisgateError is what a failed call throws. Programs decide by reason; code is
// gRPC's, for when there is none.
export class HisgateError extends Error {
  constructor(cause, requestId) {
    super(cause.details || cause.message, { cause });
    this.name = 'HisgateError';
    this.code = cause.code;
    this.requestId = requestId; // hisgate's log knows the call by it
    this.reason = '';
    this.metadata = {};
    this.chinese = this.message;
    this.shortages = [];
    this.priceGaps = [];
    this.retryAfter = 0; // milliseconds
    const [bytes] = cause.metadata?.get('grpc-status-details-bin') ?? [];
    const details = bytes ? definition['google.rpc.Status'].deserialize(bytes).details : [];
    for (const { type_url: url, value } of details) {
      const type = url.slice(url.lastIndexOf('/') + 1);
      const detail = definition[type]?.deserialize(value);
      switch (type) {
        case 'google.rpc.ErrorInfo':
          if (detail.domain === 'hisgate') Object.assign(this, { reason: detail.reason, metadata: detail.metadata });
          break;
        case 'google.rpc.RetryInfo':
          this.retryAfter = Number(detail.retry_delay.seconds) * 1000 + detail.retry_delay.nanos / 1e6;
          break;
        case 'google.rpc.LocalizedMessage':
          if (detail.locale.startsWith('zh')) this.chinese = detail.message;
          break;
        case 'hisgate.v1.Shortages':
          this.shortages = detail.shortages;
          break;
        case 'hisgate.v1.PriceGaps':
          this.priceGaps = detail.gaps;
          break;
      }
    }
  }

  // mayHaveHappened: the call may have been carried out although it failed. Never
  // take it for a failure: make it again with the same order_no.
  get mayHaveHappened() {
    const { UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, UNKNOWN, INTERNAL, DATA_LOSS } = grpc.status;
    return [UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, UNKNOWN, INTERNAL, DATA_LOSS].includes(this.code);
  }

  // passes: it may be gone in a moment.
  get passes() {
    if (this.code === grpc.status.UNAVAILABLE) return !['HIS_MISCONFIGURED', 'DISK_RESERVE'].includes(this.reason);
    return this.code === grpc.status.RESOURCE_EXHAUSTED && this.retryAfter > 0;
  }
}

function metadata(requestId) {
  const m = new grpc.Metadata();
  m.set('x-request-id', requestId);
  if (env.HISGATE_TOKEN_FILE) m.set('authorization', `Bearer ${readFileSync(env.HISGATE_TOKEN_FILE, 'utf8').trim()}`);
  return m;
}

// call makes a unary call. All methods used here may be repeated: the same order_no
// answers the same. timeout (ms) bounds the call with its repeats.
export async function call(service, method, request, { timeout = 30_000, attempts = 4 } = {}) {
  const deadline = Date.now() + timeout;
  const requestId = randomUUID();
  for (let attempt = 1; ; attempt++) {
    try {
      return await new Promise((resolve, reject) => {
        service[method](request, metadata(requestId), { deadline }, (err, reply) => (err ? reject(err) : resolve(reply)));
      });
    } catch (err) {
      const failure = new HisgateError(err, requestId);
      const wanted = failure.retryAfter || Math.min(100 * 2 ** (attempt - 1), 5000);
      const pause = wanted * (1 + Math.random() / 4); // so that callers do not come back together
      if (attempt >= attempts || !failure.passes || Date.now() + pause >= deadline) throw failure;
      await sleep(pause);
    }
  }
}

// watch yields the messages of a stream. It throws a HisgateError when the stream
// breaks; leaving the loop ends the stream.
export async function* watch(service, method, request) {
  const requestId = randomUUID();
  const stream = service[method](request, metadata(requestId));
  try {
    yield* stream;
  } catch (err) {
    throw new HisgateError(err, requestId);
  } finally {
    stream.on('error', () => {}); // of the cancelling
    stream.cancel();
  }
}
