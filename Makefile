# Targets for users:      run, test, build
# Targets for developers: check, race, fuzz, interop, std, ktls, lint, bench, bench-peers, ci

GO       ?= go
BIN      := fastftps
DIR      ?= ./share
FUZZTIME ?= 10s
ROUNDS   ?= 3
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
TOOL     := $(GO) tool -modfile=tools/go.mod

.PHONY: build run test check race fuzz interop std ktls lint bench bench-peers ci clean

## build: one static binary, ./fastftps
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.release=$(VERSION)" -o $(BIN) ./cmd/fastftps

## run: serve DIR (default ./share) with embedded defaults; prints how to connect
run: build
	@mkdir -p $(DIR)
	./$(BIN) serve $(DIR)

## test: all unit and protocol tests; needs nothing but Go
test:
	$(GO) test ./...

## check: what should pass before every commit
check: lint test

## race: the same tests under the race detector (needs cgo and a C compiler)
race:
	CGO_ENABLED=1 $(GO) test -race ./...

## fuzz: every fuzz target for FUZZTIME
fuzz:
	./scripts/fuzz.sh $(FUZZTIME)

## interop: real clients against the built binary; installs them with apt-get
interop: build
	./scripts/install-clients.sh
	FASTFTPS_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -tags interop -timeout 20m -v ./internal/interop

## std: what make interop and the tests of the server do, with all of TLS left to crypto/tls (tls.engine = "std")
std:
	FASTFTPS_TLS_ENGINE=std $(GO) test -count=1 ./engine
	FASTFTPS_TLS_ENGINE=std $(MAKE) interop

## ktls: the tests of kernel TLS, under user-mode-linux (packages from apt-get download, no root)
ktls:
	./scripts/uml-ktls.sh

## lint: format, vet, staticcheck, dead code, dependency list
lint:
	@out=$$($(TOOL) gofumpt -l .); if [ -n "$$out" ]; then echo "not gofumpt'ed:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags interop ./internal/interop
	$(TOOL) staticcheck ./...
	@out=$$($(TOOL) deadcode -test ./...); if [ -n "$$out" ]; then echo "dead code:"; echo "$$out"; exit 1; fi
	@./scripts/deps.sh | diff -u deps.txt - || { echo "deps.txt is out of date: ./scripts/deps.sh > deps.txt"; exit 1; }

## bench: micro-benchmarks with allocations, for benchstat
bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

## bench-peers: compares with the servers that Debian ships; writes docs/performance.md (root, a quarter of an hour a round)
bench-peers: build
	./scripts/bench-peers.sh $(CURDIR)/$(BIN) -rounds $(ROUNDS) -out docs/performance.md

## ci: what gates a landing
ci:
	./.ci/run

clean:
	rm -f $(BIN)
