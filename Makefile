# hisgate. Nothing but Go and a module proxy is needed; see CONTRIBUTING.md.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

GO ?= go
# buf has a module of its own, which keeps its 97 dependencies out of ours.
BUF := $(GO) tool -modfile=proto/tools.mod buf

PROTODEPS := .protodeps
GATEWAY_V1 := github.com/grpc-ecosystem/grpc-gateway@v1.16.0
PROTOVALIDATE := github.com/bufbuild/protovalidate@v1.2.2

.PHONY: generate proto-deps lint-proto

# generate writes every generated file anew from the .proto files.
generate: proto-deps
	rm -f proto/hisgate/v1/*.pb.go proto/hisgate/v1/*.pb.gw.go proto/hisgate/v1/*.swagger.json
	$(BUF) generate --path proto/hisgate

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
