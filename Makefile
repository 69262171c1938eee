# Slipway. The two commands to know: `make demo` and `make test`.
SHELL         := /bin/bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS     += --no-print-directory

# What a bare Debian 12 lacks. scripts/deps says what is missing before it installs it; NO_INSTALL=1 refuses.
RUN_PACKAGES   := runc haproxy mmdebstrap erofs-utils iproute2 ca-certificates
TEST_PACKAGES  := $(RUN_PACKAGES) gcc libc6-dev libcap2-bin packer prometheus postgresql exim4-daemon-light
BENCH_PACKAGES := $(RUN_PACKAGES) buildah packer postgresql

GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2

# Packages whose tests contain the Temporal server, which takes minutes to compile for the race detector, the tests that drive
# the finished programs, which the race detector does not see into, and the one that runs goss, which has a race of its own.
NO_RACE := ./bench/... ./cmd/... ./engine/... ./ship/... ./probe/... ./test/acceptance/... ./test/e2e/... ./test/ha/... ./test/chaos/...

# Static programs, and one set of compiled packages for build, vet and test. The race detector alone needs cgo.
export CGO_ENABLED := 0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: help
help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

.PHONY: build
build: ## compile slipwayd, slipway, slipway-agent, slipway-probe and the example programs into build/
	@mkdir -p build
	go build -ldflags "-s -w -X main.version=$(VERSION)" -o build/ ./cmd/...
	@$(MAKE) hello

# The releases of examples/hello that the demo, the tests and the bench roll out. v3 and v4 are broken on purpose.
.PHONY: hello
hello: build/hello/v1 build/hello/v2 build/hello/v3 build/hello/v4 build/hello/v5

build/hello/v3: FAULT := unhealthy
build/hello/v4: FAULT := crash
build/hello/%: examples/hello/main.go
	go build -ldflags "-s -w -X main.version=$* -X main.fault=$(FAULT)" -o $@ ./examples/hello

# slipwayd built to kill itself where a test says, beside the other programs as they are.
.PHONY: chaos-programs
chaos-programs:
	@mkdir -p build/chaos
	go build -tags chaos -ldflags "-s -w -X main.version=$(VERSION)" -o build/chaos/slipwayd ./cmd/slipwayd
	@ln -sfn ../slipway ../slipway-agent ../slipway-probe ../hello build/chaos/

.PHONY: demo
demo: ## bake, roll out, break and roll back a real application under load, here (root)
	@scripts/deps $(RUN_PACKAGES)
	@$(MAKE) build
	@go build -o build/slipway-demo ./test/demo
	@exec build/slipway-demo --bin build --data build/demo $(DEMO)

.PHONY: test
test: ## vet and run every test (root)
	@scripts/deps $(TEST_PACKAGES)
	@$(MAKE) build chaos-programs
	go vet ./...
	SLIPWAY_BIN=$(CURDIR)/build scripts/test $(NO_RACE)

.PHONY: chaos
chaos: ## kill slipwayd at every step of every strategy, and all that it works with; write the table of docs/reliability.md (root)
	@scripts/deps $(TEST_PACKAGES)
	@$(MAKE) build chaos-programs
	SLIPWAY_BIN=$(CURDIR)/build go test -vet=off -count 1 -timeout 40m -parallel 5 -v ./test/chaos -chaos.all -chaos.report $(CURDIR)/docs/reliability.md $(CHAOS)

.PHONY: histories
histories: ## record the histories that test/histories replays anew (root); CONTRIBUTING.md says when
	@scripts/deps $(TEST_PACKAGES)
	@$(MAKE) build chaos-programs
	SLIPWAY_BIN=$(CURDIR)/build go test -vet=off -count 1 -timeout 10m -v ./test/chaos -run TestRecord -chaos.record $(CURDIR)/test/histories/testdata

.PHONY: simulate
simulate: ## carry out N random rollouts in the simulator (N=100000), or again those that a SEED stands for
	@scripts/simulate $(or $(N),20000) $(SEED)

.PHONY: bench
bench: ## measure against the references and write build/bench.json (root)
	@scripts/deps $(BENCH_PACKAGES)
	@$(MAKE) build
	@go build -o build/slipway-bench ./bench
	@exec build/slipway-bench --bin build --out build/bench.json $(BENCH)

.PHONY: docs
docs: ## write docs/api.md from the API's table of routes
	go generate ./httpapi

.PHONY: lint
lint: ## run golangci-lint
	go run $(GOLANGCI) run ./...

.PHONY: recipes
recipes: ## check the recipes of examples/ci with tools of their CI systems; fetches them
	@scripts/recipes

.PHONY: fuzz
fuzz: ## fuzz every parser of outside input, each for TIME (30s); ONLY=part of a name
	@scripts/fuzz $(or $(TIME),30s) $(ONLY)

.PHONY: vulncheck
vulncheck: ## look for known vulnerabilities in what is called; needs vuln.go.dev, or a copy of it: GOVULNDB=file:///path
	go run $(GOVULNCHECK) $(if $(GOVULNDB),-db $(GOVULNDB)) ./...

.PHONY: deps
deps: ## install the Debian packages that demo and test need (root)
	@scripts/deps $(TEST_PACKAGES)

.PHONY: clean
clean: ## remove build/, and what an interrupted demo left running
	@if [ -x build/slipway-demo ]; then build/slipway-demo --bin build --data build/demo --clean; fi
	rm -rf build examples/hello/dist
