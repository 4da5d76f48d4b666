# hisgate. Nothing but Go and a module proxy is needed; see CONTRIBUTING.md.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

GO ?= go
# buf has a module of its own, which keeps its 97 dependencies out of ours.
BUF := $(GO) tool -modfile=proto/tools.mod buf

PROTODEPS := .protodeps
GATEWAY_V1 := github.com/grpc-ecosystem/grpc-gateway@v1.16.0
PROTOVALIDATE := github.com/bufbuild/protovalidate@v1.2.2

# The race detector needs a C compiler.
RACE := $(shell command -v gcc >/dev/null && echo -race)
STATICCHECK := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT := $(GO) run mvdan.cc/gofumpt@v0.12.0

.PHONY: run dist image test ci lint bench protect chaos soak mutants fresh generate proto-deps lint-proto

# run plays the whole story on simulated systems and stays up.
run:
	$(GO) run ./cmd/hisgate demo

# dist makes the release archives of the newest commit, one for each system, and
# SHA256SUMS. The same commit gives the same bytes. It tries the binary of this
# system, and that of linux/arm64 where qemu-user-static is installed.
dist: proto-deps
	$(GO) run ./internal/release -out dist -protos $(PROTODEPS)

# image builds the container's image with buildah, where that is installed, and
# runs what is in it.
image:
	deploy/check-image.sh

# test runs all tests; the events of the last run stay in .cache/test.json.
# The simulation of orders has many more seeds without the race detector, and the
# drivers of feeds ten times the messages.
BROKERS := ./hisadapter/feed/natsfeed ./hisadapter/feed/rabbitfeed ./hisadapter/feed/kafkafeed
test:
	@.ci/needs
	@$(GO) test -tags oracle -run Oracle ./hisadapter/sqlhis ./hisadapter/feed/outbox
	@$(if $(RACE),$(GO) test -count=1 -run '^(TestSimulation|TestReplay)$$' ./payflow/simtest)
	@$(if $(RACE),$(GO) test -count=1 -run '^TestDriver$$/^everything' $(BROKERS))
	@$(if $(RACE),$(GO) test -count=1 -run '^(TestDriver|TestEverySaleIsTold)$$/./^everything' ./hisadapter/feed/outbox)
	@.ci/test $(RACE) ./...

# ci is what .ci/run calls on a clean clone.
ci: lint fresh test

# lint checks form and vets.
lint: lint-proto
	@out="$$($(GOFUMPT) -l $$(git ls-files '*.go' | grep -v '\.pb\.'))"; \
	if [ -n "$$out" ]; then echo "gofumpt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags oracle ./hisadapter/sqldb ./hisadapter/sqlhis ./hisadapter/feed/outbox ./cmd/hisgate
	$(GO) vet -tags chaos ./cmd/hisgate
	GOOS=windows $(GO) vet ./cmd/hisgate
	$(STATICCHECK) ./...

# fresh proves that the generated files are those that the sources give.
fresh: generate
	@git diff --exit-code -- proto docs/configuration.md hisgate.example.yaml deploy/prometheus/alerts.yml \
	|| { echo "generated files are stale: run make generate and commit"; exit 1; }

# bench measures the ledger and the edge side by side with their peers:
# docs/performance.md.
# More with BENCH='--quick', BENCH='--rows lock-*-hot-64 --json', …
BENCH ?=
bench:
	$(GO) build -o bin/ ./cmd/hisgate ./cmd/hisgate-bench
	bin/hisgate-bench $(BENCH)

# protect lets a crowd loose on a HIS that counts, with hisgate in between and
# with nothing: docs/protect.md. More with PROTECT='--quick', …
PROTECT ?=
protect:
	$(GO) build -o bin/ ./cmd/hisgate ./cmd/hisgate-bench
	bin/hisgate-bench protect $(PROTECT)

# chaos runs hisgate for DURATION on a very bad day: real processes, killed at
# random moments, a HIS and a WeChat Pay in every trouble, patients, a counter,
# operators. Then the troubles end, everything settles (up to ten minutes), and
# the books are compared to the fen; a difference is a failure. SEED repeats the
# plan of a day, not the moments at which things meet.
DURATION ?= 20m
SEED ?=
chaos:
	$(GO) build -o bin/ ./cmd/hisgate
	HISGATE_CHAOS=$(DURATION) HISGATE_TEST_SEED=$(SEED) HISGATE_BINARY=$(CURDIR)/bin/hisgate $(GO) test -tags chaos -count=1 -v -timeout 24h -run '^TestChaos$$' ./cmd/hisgate

# soak runs the random tests for long: the simulation of orders, histories with
# crashes, kills of a real process, the model, and the fuzz targets. About two
# hours on two cores; each figure can be set (make soak SEEDS=1000000 ROUNDS=10
# ...). A failure prints its seed. Then a crowd stands before a HIS in every
# trouble for so long; a broken promise, goroutines and memory that grow among
# them, is a failure.
SEEDS ?= 100000
HISTORIES ?= 100000
ROUNDS ?= 2000
CHECKS ?= 20000
FUZZTIME ?= 1m
EXPIRIES ?= 100000
MESSAGES ?= 1000000
CROWD ?= 10m
soak:
	HISGATE_FIRST=1000000 HISGATE_SEEDS=$(SEEDS) $(GO) test -count=1 -v -timeout 6h -run '^TestSimulation$$' ./payflow/simtest
	HISGATE_HISTORIES=$(HISTORIES) $(GO) test -count=1 -v -timeout 2h -run '^TestLinearizable$$' ./lockstore
	HISGATE_ROUNDS=$(ROUNDS) $(GO) test -count=1 -v -timeout 4h -run '^TestI3KilledAtRandomMoments$$' ./lockstore/crashtest
	$(GO) test -count=1 -timeout 2h -run '^(TestModel|TestStockMatchesASimpleModel|TestB7Jumps.*|TestB7Nothing.*)$$' ./lockstore -rapid.checks=$(CHECKS)
	for f in FuzzDecodeLock FuzzKeys FuzzParseKeys; do $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) ./lockstore; done
	$(GO) test -run '^$$' -fuzz '^FuzzReader$$' -fuzztime $(FUZZTIME) ./lockstore/internal/tlv
	for f in FuzzParse FuzzMapping FuzzChanges; do $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./hisadapter/httphis; done
	HISGATE_BILL_ROWS=1000000 $(GO) test -count=1 -timeout 1h -run '^TestBillOfManyRowsNeedsNoMemory$$' ./payflow/wechat
	$(GO) test -run '^$$' -fuzz '^FuzzBillText$$' -fuzztime $(FUZZTIME) ./payflow/wechat
	for f in FuzzParseStatement FuzzAnswers; do $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) ./hisadapter/sqlhis; done
	HISGATE_EXPIRIES=$(EXPIRIES) $(GO) test -count=1 -timeout 1h -run '^TestExpiriesByTheThousand' ./gateway
	HISGATE_FEED_MESSAGES=$(MESSAGES) $(GO) test -count=1 -timeout 2h -run '^(TestDriver|TestEverySaleIsTold)$$' $(BROKERS) ./hisadapter/feed/outbox
	$(MAKE) protect PROTECT='--no-without --for $(CROWD)'

# mutants plants bugs in ledger, guard and payment, one after the other; the tests
# must catch each (docs/testing.md has the tables). Some of them with
# MUTANTS='-in feed/rabbitfeed' or MUTANTS='-bug overlap'.
MUTANTS ?=
mutants:
	$(GO) run ./lockstore/internal/mutants $(MUTANTS)

# generate writes every generated file anew from the .proto files.
generate: proto-deps
	rm -f proto/hisgate/v1/*.pb.go proto/hisgate/v1/*.pb.gw.go proto/hisgate/v1/*.swagger.json
	$(BUF) generate --path proto/hisgate
	$(GO) run ./proto/internal/openapi proto/examples.json proto/hisgate/v1/hisgate.swagger.json
	$(GO) run ./cmd/hisgate config doc > docs/configuration.md
	$(GO) run ./cmd/hisgate config example > hisgate.example.yaml
	$(GO) run ./cmd/hisgate alert rules > deploy/prometheus/alerts.yml

# lint-proto checks the form of the API.
lint-proto: proto-deps
	$(BUF) lint
	$(BUF) format --diff --exit-code --path proto/hisgate

# proto-deps lays the imported .proto files out of the module cache into an
# ignored folder: no schema registry is needed, and nothing is pasted in.
proto-deps:
	rm -rf $(PROTODEPS)
	mkdir -p $(PROTODEPS)/google/api $(PROTODEPS)/google/rpc $(PROTODEPS)/buf/validate
	dir() { $(GO) mod download -json "$$1" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$$/\1/p'; }; \
	gw="$$(dir $(GATEWAY_V1))/third_party/googleapis/google"; \
	pv="$$(dir $(PROTOVALIDATE))/proto/protovalidate/buf/validate"; \
	install -m 644 "$$gw"/api/{annotations,http}.proto $(PROTODEPS)/google/api/; \
	install -m 644 "$$gw"/rpc/status.proto $(PROTODEPS)/google/rpc/; \
	install -m 644 "$$pv"/validate.proto $(PROTODEPS)/buf/validate/
