package main

import (
	"time"

	"github.com/hisgate/hisgate/gateway/server"
	"github.com/hisgate/hisgate/hisadapter/guard"
)

// Config is every setting of hisgate. Default has a safe value for each; a YAML
// file, HISGATE_… environment variables and --set flags are laid over it, in
// this order. The doc tags are the text of docs/configuration.md.
type Config struct {
	Listen          Listen        `yaml:"listen"`
	TLS             TLS           `yaml:"tls"`
	Auth            Auth          `yaml:"auth"`
	DataDir         string        `yaml:"data_dir" doc:"Folder of the ledger and the orders. One process at a time; never on a network file system."`
	Storage         Storage       `yaml:"storage"`
	Log             Log           `yaml:"log"`
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout" doc:"One deadline for the whole shutdown: REST, gRPC, callbacks, workers, ledger."`
	Limits          Limits        `yaml:"limits"`
	HIS             HIS           `yaml:"his"`
	Cache           CacheConfig   `yaml:"cache"`
	Lock            LockConfig    `yaml:"lock"`
	Check           CheckConfig   `yaml:"check"`
	Safety          Safety        `yaml:"safety"`
	Payment         Payment       `yaml:"payment"`
	WeChat          WeChat        `yaml:"wechat"`
	Alerts          Alerts        `yaml:"alerts"`
	Tracing         Tracing       `yaml:"tracing"`
	Feeds           []Feed        `yaml:"feeds" doc:"Where the HIS side tells of stock changes the moment they happen. docs/stock-feed.md is the guide. Empty = nowhere: the cache asks every 10 seconds."`
	DeadLetters     DeadLetters   `yaml:"dead_letters"`
}

// Listen holds the addresses. Port 0 picks a free one, which is logged.
type Listen struct {
	GRPC        string   `yaml:"grpc" doc:"gRPC services."`
	HTTP        string   `yaml:"http" doc:"REST, /openapi.json, the page /docs/ that shows it and, unless listen.webhook is set, the WeChat callbacks."`
	Webhook     string   `yaml:"webhook" doc:"An address for the WeChat callbacks alone, for the proxy that ends TLS; empty = on listen.http. The only one that may be open to the outside."`
	Ops         string   `yaml:"ops" doc:"/metrics, /livez and /readyz."`
	OpsOpen     bool     `yaml:"ops_open" doc:"Let listen.ops be another than a loopback address. It has neither TLS nor authentication."`
	CORSOrigins []string `yaml:"cors_origins" doc:"Origins of web pages whose browsers may call REST, such as https://shop.example.cn. Empty = none: no CORS header is sent, and what a page of another origin wants to change is refused."`
}

// Storage is how the data folder is kept.
type Storage struct {
	EncryptionKeyFile string        `yaml:"encryption_key_file" doc:"A file of 16, 24 or 32 bytes: the folder is encrypted at rest with AES. It cannot be changed later."`
	DiskReserve       int64         `yaml:"disk_reserve" doc:"Bytes. With less free space only confirm, release and callbacks are taken."`
	Retention         time.Duration `yaml:"retention" doc:"How long ended locks and orders are kept. Refunds reach back 365 days."`
	AllowNetworkDisk  bool          `yaml:"allow_network_disk" doc:"Take a data folder on a network file system all the same. Two hosts may then open it at once and give stock out twice."`
}

// Log is what is written to standard error, or to a file.
type Log struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error."`
	Format string `yaml:"format" doc:"json or text."`
	File   string `yaml:"file" doc:"A file for the log instead of standard error, for a Windows service, which has none. With 50 MiB a new one is begun; nine old ones stay beside it (FILE.1 is the latest). Empty = standard error."`
	Audit  string `yaml:"audit_file" doc:"A file to which one JSON line is added for each call that changes something: who, what, how it was answered. It is opened anew at SIGHUP, for rotation. Empty = none; the lines of the calls in the log then tell who and what, without the order."`
}

// Limits bound what callers ask. A client is who it proved to be, or else the
// address that its connection comes from; headers have no part in it.
type Limits struct {
	ClientRate     float64 `yaml:"client_rate" doc:"Calls a second of one client: an authenticated name, or else the address of its connection. What exceeds it is told RATE_LIMITED (429) and when to come again. WeChat callbacks and health checks are never refused. 0 = no limit, as for each of these."`
	ClientBurst    int     `yaml:"client_burst" doc:"Calls of one client that may come at once; a tenth is kept for Confirm, Release and OpsService."`
	Rate           float64 `yaml:"rate" doc:"Calls a second, all clients together."`
	Burst          int     `yaml:"burst" doc:"The same for all clients together."`
	ClientInFlight int     `yaml:"client_in_flight" doc:"Calls of one client under way at once; a tenth is kept for Confirm, Release and OpsService."`
	InFlight       int     `yaml:"in_flight" doc:"The same for all clients together."`
	ClientStreams  int     `yaml:"client_streams" doc:"Streams of one client at once."`
	Streams        int     `yaml:"streams" doc:"Streams of all clients at once."`
	Clients        int     `yaml:"clients" doc:"Clients told apart. The one that was silent longest makes room for a new one."`

	Connections       int           `yaml:"connections" doc:"Connections at once, of each of listen.grpc, listen.http and listen.webhook. For one more the oldest gives way by which nobody known has called; when there is none, it is hung up on. Fewer where the process may not open so many files (LimitNOFILE, ulimit -n), which the log says."`
	ClientConnections int           `yaml:"client_connections" doc:"Connections of one address at once, of each of listen.grpc and listen.http. For one more the oldest of them gives way by which nobody known has called; when there is none, it is hung up on over gRPC, and over REST told RATE_LIMITED (429). A client without HTTP/2 needs one for each call and each stream under way. Addresses of this machine, where a proxy speaks for everybody, have no such bound, nor have callbacks."`
	MessageTime       time.Duration `yaml:"message_time" doc:"How long a request may take to come: over gRPC its message, from the header on; over REST its body."`
}

// HIS is the hospital information system and how it is protected.
type HIS struct {
	Driver       string        `yaml:"driver" doc:"simhis: the simulated HIS, over HTTP. http: any HIS that speaks HTTP (SOAP, XML, JSON, forms, delimited text), by a mapping file. sql: any HIS whose database may be used, by a mapping file."`
	MappingFile  string        `yaml:"mapping_file" doc:"The YAML file that says how the HIS is spoken to; the package documentation of hisadapter/httphis and of hisadapter/sqlhis has a complete example each."`
	SimHIS       SimHIS        `yaml:"simhis"`
	Capabilities Capabilities  `yaml:"capabilities"`
	FigureLag    time.Duration `yaml:"figure_lag" doc:"How long after a deduction a reading may still show the old figure. The larger of this and the driver's own counts."`
	Guard        GuardConfig   `yaml:"guard"`
}

// SimHIS is the simulated HIS.
type SimHIS struct {
	URL string `yaml:"url" doc:"Where hisgate sim serves it."`
}

// Capabilities is what the HIS can do. A wrong entry gives stock out twice:
// claim only what is proven.
type Capabilities struct {
	Freeze            bool          `yaml:"freeze" doc:"It can hold stock (预扣/冻结) and give it back; hisgate then freezes with every lock."`
	FreezeTTL         time.Duration `yaml:"freeze_ttl" doc:"A freeze lapses by itself after this; 0 = never."`
	NetFigure         bool          `yaml:"net_figure" doc:"Its figures have frozen stock subtracted already."`
	DeductNeedsFreeze bool          `yaml:"deduct_needs_freeze" doc:"It takes an order only for what was frozen under the same number."`
	Find              bool          `yaml:"find" doc:"It can be asked what became of an order number."`
	Cancel            bool          `yaml:"cancel" doc:"It can take an order back."`
	List              bool          `yaml:"list" doc:"It can list the orders of a day; without it reconciliation does not compare with the HIS."`
	IdempotentByHisNo bool          `yaml:"idempotent_by_his_no" doc:"A second write under the same number is refused or answered the same, never applied twice."`
	AtomicItems       bool          `yaml:"atomic_items" doc:"All drugs of an order or none. Without it a lock may have one drug only."`
	BatchSize         int           `yaml:"batch_size" doc:"Drugs in one stock query."`
	HisNoMax          int           `yaml:"his_no_max" doc:"Longest order number in bytes; 0 = no bound."`
}

// GuardConfig bounds what the HIS sees.
type GuardConfig struct {
	QueryTimeout       time.Duration `yaml:"query_timeout" doc:"One attempt of a stock query or a look at an order."`
	WriteTimeout       time.Duration `yaml:"write_timeout" doc:"One freeze, unfreeze, order or its cancellation, and the list of a day. Three times this, and at least 30s, is the grace before a \"none\" after an unknown outcome is believed."`
	Concurrency        int           `yaml:"concurrency" doc:"Calls at a time, all classes together. From 2 on one of them is kept for Confirm; with 1, Confirm is the next when the call under way has ended."`
	Rate               float64       `yaml:"rate" doc:"Calls a second."`
	Burst              int           `yaml:"burst" doc:"Calls that may come at once within the rate."`
	Queue              int           `yaml:"queue" doc:"Calls of one class that may wait for a turn; more are refused at once."`
	Shares             Shares        `yaml:"shares"`
	Attempts           int           `yaml:"attempts" doc:"Attempts of one call, the first included. Reads are tried again after any failure, writes only when nothing was done."`
	RetryBudget        float64       `yaml:"retry_budget" doc:"Repeats for each call, over all calls: 0.2 adds at most a fifth to what the HIS sees."`
	RetryBackoff       time.Duration `yaml:"retry_backoff" doc:"The pause before the first repeat, up to a half longer or shorter at random; each next one doubles."`
	RetryBackoffMax    time.Duration `yaml:"retry_backoff_max" doc:"The longest of these pauses."`
	BusyAfterTimeout   time.Duration `yaml:"busy_after_timeout" doc:"How long a call that timed out still counts as occupying the HIS."`
	BreakerRatio       float64       `yaml:"breaker_ratio" doc:"Share of failed calls, 0 to 1, that opens the breaker."`
	BreakerSlowRatio   float64       `yaml:"breaker_slow_ratio" doc:"Share of slow calls, 0 to 1, that opens the breaker."`
	BreakerMinCalls    int           `yaml:"breaker_min_calls" doc:"Calls in the window before the share is judged."`
	BreakerWindow      time.Duration `yaml:"breaker_window" doc:"The rolling window."`
	BreakerOpen        time.Duration `yaml:"breaker_open" doc:"How long the breaker stays open before a read is tried; shortened at random by up to a tenth."`
	BreakerProbes      int           `yaml:"breaker_probes" doc:"Calls in a row that must succeed, the first a read, before the breaker closes again."`
	SlowCall           time.Duration `yaml:"slow_call" doc:"A call longer than this counts as slow for the breaker."`
	MisconfiguredAfter int           `yaml:"misconfigured_after" doc:"Refusals as such in a row, of one operation, that stop it: one order that the HIS cannot read does not stop the others."`
	MisconfiguredPause time.Duration `yaml:"misconfigured_pause" doc:"How long an operation stops that the HIS refused as such so often in a row: signature, permission, parameter."`
}

// Shares are the least parts of the turns that classes of calls get while they
// wait. Confirm comes first and has the rest, and a slot of its own.
type Shares struct {
	ClientRelease float64 `yaml:"client_release" doc:"Least part of the turns, 0 to 1, for stock that a caller gives back. The shares may add up to 0.9; Confirm has the rest."`
	Freeze        float64 `yaml:"freeze" doc:"The same for freezes and the live readings of locks and checks."`
	Query         float64 `yaml:"query" doc:"The same for readings that somebody waits for."`
	ExpiryRelease float64 `yaml:"expiry_release" doc:"The same for stock that the clock gives back."`
	Refresh       float64 `yaml:"refresh" doc:"The same for readings that nobody waits for."`
}

// CacheConfig is the 10-second stock cache.
type CacheConfig struct {
	MaxAge       time.Duration `yaml:"max_age" doc:"The oldest reading that is answered without asking the HIS."`
	Jitter       time.Duration `yaml:"jitter" doc:"Shortens max_age at random by up to this, so that keys do not age together."`
	RefreshAfter time.Duration `yaml:"refresh_after" doc:"A reading of this age that is asked for is answered at once and taken anew behind the answer, so that nobody waits when its time is over. Costs the HIS max_age / refresh_after times the calls: 7s is 1.4 times. 0 = never."`
	Degraded     string        `yaml:"degraded" doc:"While the HIS cannot be asked, readers of stock get: accept, the last reading up to max_stale, marked degraded; or reject, HIS_UNAVAILABLE."`
	MaxStale     time.Duration `yaml:"max_stale" doc:"The oldest reading that is answered, marked degraded, while the HIS cannot be asked."`
	MaxWait      time.Duration `yaml:"max_wait" doc:"A reader waits so long for a HIS that is slow, where there is a last reading up to max_stale; then that is answered, marked degraded. 0 = until the HIS has answered or failed."`
	UnknownDrug  time.Duration `yaml:"unknown_drug" doc:"How long \"no such drug\" is remembered; shortened at random by up to a third."`
	MaxKeys      int           `yaml:"max_keys" doc:"Drugs kept in memory."`
	MaxUnknown   int           `yaml:"max_unknown" doc:"Unknown drugs kept in memory, apart from the others."`
	MaxWaiting   int           `yaml:"max_waiting" doc:"Readers that may wait for a reading, counted once for each drug; more are refused at once."`
	Loaders      int           `yaml:"loaders" doc:"Batch readings under way at once: so many for readers, so many for locks."`
}

// LockConfig is how stock is held.
type LockConfig struct {
	Reading    string        `yaml:"reading" doc:"live: every lock is judged on a reading begun after its request (shared with the other locks of that moment). cached: one of up to cache.max_age will do."`
	Degraded   string        `yaml:"degraded" doc:"While the HIS cannot be asked: reject, or accept on the last reading up to lock.max_stale; the lock is marked and checked live before a prepay."`
	MaxStale   time.Duration `yaml:"max_stale" doc:"The oldest reading that a degraded lock may be judged on."`
	DefaultTTL time.Duration `yaml:"default_ttl" doc:"How long a lock holds when the caller does not say."`
	MaxTTL     time.Duration `yaml:"max_ttl" doc:"The longest ttl of a lock. A caller may ask for 2h at most, whatever stands here."`
}

// CheckConfig is how an order is compared with the stock: CheckOrder, and the
// second check before a payment.
type CheckConfig struct {
	Degraded string `yaml:"degraded" doc:"While the HIS cannot be asked, lines are compared with: accept, the last reading up to cache.max_stale, marked stale; or reject, nothing: they are UNCHECKED."`
}

// Safety is the stock kept back from unpaid locks (线上/线下库存池).
type Safety struct {
	Units   int64        `yaml:"units" doc:"Smallest dispensing units kept back of every drug."`
	Percent int          `yaml:"percent" doc:"Per cent of the day's first figure (Asia/Shanghai) kept back; the larger of the two counts."`
	Drugs   []SafetyDrug `yaml:"drugs" doc:"Drugs with figures of their own."`
}

// SafetyDrug is the safety stock of one drug.
type SafetyDrug struct {
	PharmacyID ID    `yaml:"pharmacy_id" doc:"Quoted."`
	DrugID     ID    `yaml:"drug_id" doc:"Quoted."`
	Units      int64 `yaml:"units" doc:"Smallest dispensing units."`
	Percent    int   `yaml:"percent" doc:"Per cent of the day's first figure."`
}

// Payment is the payment half.
type Payment struct {
	Enabled         bool          `yaml:"enabled" doc:"false: the stock half alone, for hospitals that keep their own payment."`
	Strategy        string        `yaml:"strategy" doc:"The strategy of an order that names none: VERIFY, RESERVE, HOLD or REFUND."`
	Window          time.Duration `yaml:"window" doc:"Time to pay under RESERVE, VERIFY and REFUND; at most 110m."`
	HoldWindow      time.Duration `yaml:"hold_window" doc:"Time to pay under HOLD; at most 110m."`
	OnRefused       string        `yaml:"on_refused" doc:"A paid order that the HIS refuses for good: refund, or case (a person decides). VERIFY and REFUND always refund."`
	RefundsPerHour  int           `yaml:"refunds_per_hour" doc:"Automatic refunds that may begin in an hour; the rest become cases."`
	ProofGrace      time.Duration `yaml:"proof_grace" doc:"How long after payment an order may be neither fulfilled, refunded nor a case."`
	Reconcile       bool          `yaml:"reconcile" doc:"Each morning after 10:00 in Beijing the day before is compared with WeChat Pay's trade bill and the orders of the HIS; differences become cases. Missed days are made up for, up to 30."`
	ReconcilePrefix string        `yaml:"reconcile_prefix" doc:"The merchant has other systems: rows of the bill whose order is not known here count as ours only when its number begins so. Empty = any of our appids."`
	Workers         int           `yaml:"workers" doc:"Orders worked on at a time towards the HIS, and as many towards WeChat Pay."`
}

// WeChat is the merchant's account at WeChat Pay.
type WeChat struct {
	APIBaseURL      string        `yaml:"api_base_url" doc:"Empty = WeChat Pay itself. A reverse proxy or the simulator otherwise."`
	ProxyURL        string        `yaml:"proxy_url" doc:"A forward proxy on the way out to WeChat Pay, as http://10.0.0.1:3128. Empty: that of the environment (HTTPS_PROXY, NO_PROXY); direct: none, whatever the environment says."`
	ProxyAuthFile   string        `yaml:"proxy_auth_file" doc:"A file with name:password for wechat.proxy_url; empty = it asks for none."`
	MchID           ID            `yaml:"mch_id" doc:"Merchant number (商户号), quoted. Nothing is concluded about orders of another one: they wait until it is set back."`
	AppIDs          []string      `yaml:"app_ids" doc:"The appids bound to the merchant; the first is the default."`
	MerchantSerial  ID            `yaml:"merchant_serial" doc:"Serial number of the merchant certificate, quoted."`
	MerchantKeyFile string        `yaml:"merchant_key_file" doc:"The merchant's private key, apiclient_key.pem."`
	APIv3KeyFile    string        `yaml:"api_v3_key_file" doc:"A file with the 32 bytes of the APIv3 key."`
	Keys            string        `yaml:"keys" doc:"How answers and callbacks are verified: public_key, certificate, or both (the change-over)."`
	PublicKeyID     string        `yaml:"public_key_id" doc:"PUB_KEY_ID_…, for public_key and both."`
	PublicKeyFile   string        `yaml:"public_key_file" doc:"WeChat Pay's public key, pub_key.pem."`
	NotifyURL       string        `yaml:"notify_url" doc:"Where WeChat Pay reaches listen.webhook from outside, without a path: https://pay.example.cn. Empty: this process's own address, good with the simulator only."`
	Timeout         time.Duration `yaml:"timeout" doc:"One call."`
}

// Default returns the settings that need no thought. Only the HIS and the
// merchant account must be given.
func Default() Config {
	return Config{
		Listen:          Listen{GRPC: "127.0.0.1:9090", HTTP: "127.0.0.1:8080", Ops: "127.0.0.1:9091"},
		TLS:             TLS{ClientCert: "optional", Min: "1.2"},
		Auth:            Auth{JWT: JWT{NameClaim: "sub", RolesClaim: "roles"}},
		DataDir:         "hisgate-data",
		Storage:         Storage{DiskReserve: 512 << 20, Retention: 400 * 24 * time.Hour},
		Log:             Log{Level: "info", Format: "json"},
		ShutdownTimeout: 30 * time.Second,
		Limits:          Limits(server.DefaultLimits()),
		HIS: HIS{
			Driver:       "simhis",
			Capabilities: Capabilities{BatchSize: 1}, // nothing that nobody has said
			Guard: GuardConfig{
				QueryTimeout: 2 * time.Second, WriteTimeout: 5 * time.Second,
				Concurrency: 4, Rate: 20, Burst: 20, Queue: 1000,
				Shares:   Shares(guard.DefaultSettings().Shares),
				Attempts: 3, RetryBudget: 0.2, RetryBackoff: 100 * time.Millisecond, RetryBackoffMax: 2 * time.Second,
				BusyAfterTimeout: 10 * time.Second,
				BreakerRatio:     0.5, BreakerSlowRatio: 0.5, BreakerMinCalls: 10, BreakerWindow: 30 * time.Second,
				BreakerOpen: 5 * time.Second, BreakerProbes: 2, SlowCall: 1500 * time.Millisecond,
				MisconfiguredAfter: 3, MisconfiguredPause: 30 * time.Second,
			},
		},
		Cache: CacheConfig{
			MaxAge: 10 * time.Second, Jitter: time.Second, MaxStale: 5 * time.Minute, MaxWait: 2 * time.Second,
			Degraded: "accept", UnknownDrug: 3 * time.Second,
			MaxKeys: 100_000, MaxUnknown: 10_000, MaxWaiting: 50_000, Loaders: 4,
		},
		Check: CheckConfig{Degraded: "accept"},
		Lock: LockConfig{
			Reading: "live", Degraded: "reject", MaxStale: time.Minute,
			DefaultTTL: 15 * time.Minute, MaxTTL: 2 * time.Hour,
		},
		Payment: Payment{
			Enabled: true, Strategy: "RESERVE", Window: 30 * time.Minute, HoldWindow: 15 * time.Minute,
			OnRefused: "refund", RefundsPerHour: 10, ProofGrace: 10 * time.Minute, Reconcile: true,
			Workers: 16,
		},
		WeChat:  WeChat{Keys: "public_key", Timeout: 5 * time.Second},
		Tracing: defaultTracing(),
		Alerts:  Alerts{Repeat: 4 * time.Hour, Language: "both"},

		DeadLetters: DeadLetters{MaxBytes: 64 << 20},
	}
}
