# Targets for building, testing and trying ngit-sync; `make help` lists them.
# Needs Go and make; `make deps` fetches the rest through the system's package manager.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-builtin-rules --no-print-directory

GO        ?= go
export GO
TAGS      ?=
FUZZTIME  ?= 30s
TIMEOUT   ?= 40m
PKGS      ?= ./...
# What reads text of strangers: frames, documents, events, announcements, URLs, filters, negentropy messages, the configuration;
# `make test` fuzzes these a little. The seeds of all targets run as tests anyway.
PARSERS   := FuzzSplitFrame|FuzzParseDocument|FuzzParse|FuzzHashed|FuzzAnnouncement|FuzzCanonical|FuzzMatchHost|FuzzFilter|FuzzNext|FuzzAnswer|FuzzLoad
# What the race detector does not watch, because it would take ten times as long: the arithmetic of signatures, and SQLite's C
# in Go. They share no memory with us but what they are given in a call; who calls them is watched.
UNWATCHED := github.com/btcsuite/btcd/btcec/v2/... github.com/decred/dcrd/... modernc.org/...
RACE      := -race $(foreach p,$(UNWATCHED),'-gcflags=$(p)=-race=false')
BENCH     ?=
CHAOS     ?=

GOLANGCI_VERSION := v2.15.0
GOVULN_VERSION   := v1.1.4
TOOLS            := $(CURDIR)/bin/tools
# The pinned version wins over whatever the system has; findings differ between versions.
GOLANGCI         := $(firstword $(wildcard $(TOOLS)/golangci-lint) $(shell command -v golangci-lint))
GOVULN           := $(firstword $(wildcard $(TOOLS)/govulncheck) $(shell command -v govulncheck))

# By -ldflags, because the toolchain's own stamp is missing under GOFLAGS=-buildvcs=false. Outside a clone it is
# empty, and the stamp counts.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install what the tests need beside Go: Postgres and a C compiler (apt, apk, dnf, pacman or brew)
	@sh scripts/deps.sh

.PHONY: build
build: ## bin/ngit-sync; TAGS=libsecp256k1 checks signatures with the C library
	CGO_ENABLED=$(if $(TAGS),1,0) $(GO) build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o bin/ngit-sync ./cmd/ngit-sync

# -timeout is per package, and as many packages as there are cores run at once. Scripts are named to their shell, because a copy
# of the tree may have lost their modes.
.PHONY: test
test: deps ## every test with the race detector, on SQLite and on a real Postgres, and 10 s of each parser's fuzz target; PKGS=./relay/... for less
	sh scripts/postgres.sh run $(GO) test $(RACE) -timeout $(TIMEOUT) -tags '$(TAGS)' $(PKGS)
	@if [ '$(PKGS)' = ./... ]; then bash scripts/fuzz.sh 10s '$(PARSERS)'; fi

.PHONY: check
check: fmt vet lint licences vuln alerts ## formatting, go vet, licences and, when installed, golangci-lint, govulncheck and promtool

.PHONY: fmt
fmt: ## fail on files that gofmt would change
	@files=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$files" ]; then echo "gofmt -w these:"; echo "$$files"; exit 1; fi

.PHONY: vet
vet: ## go vet
	$(GO) vet $(PKGS)

.PHONY: lint
lint: ## golangci-lint with .golangci.yml; `make tools` installs it
ifeq ($(GOLANGCI),)
	@echo "golangci-lint is not installed: 'make tools' puts $(GOLANGCI_VERSION) into bin/tools"
else
	$(GOLANGCI) run $(PKGS)
endif

.PHONY: licences
licences: ## every module of the daemon has a licence that we know
	@bash scripts/licences.sh

.PHONY: vuln
vuln: ## govulncheck, where it is installed and the Go vulnerability database can be reached
	@bash scripts/vulnerabilities.sh '$(GOVULN)'

.PHONY: alerts
alerts: ## each alert fires when it should, where promtool (of Prometheus) is installed
	@if command -v promtool >/dev/null; then promtool test rules deploy/prometheus/alerts.test.yml; \
	else echo "alerts NOT CHECKED: promtool is not installed" >&2; fi

# With go install and not as a tool directive: that would pull hundreds of modules into go.mod.
.PHONY: tools
tools: ## install golangci-lint and govulncheck into bin/tools (a minute or two)
	GOBIN=$(TOOLS) GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	GOBIN=$(TOOLS) GOFLAGS= $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULN_VERSION)

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (30s); FUZZ='FuzzParse|FuzzNext' for some
	@bash scripts/fuzz.sh '$(FUZZTIME)' '$(FUZZ)'

.PHONY: bench
bench: ## measure the daemon on this machine; BENCH='-runs 3 historic' for one scenario
	$(GO) run ./bench -tags '$(TAGS)' $(BENCH)

# The flags of CHAOS come last, so they win. A plan that has begun is finished: it takes up to five minutes more.
.PHONY: chaos
chaos: deps ## bad lines and kill -9 around the built binary for 10 minutes; CHAOS='-chaos-seed=7 -chaos-time=1s -chaos-worlds=1' repeats one plan
	$(GO) test ./cmd/ngit-sync -run '^TestChaos$$' -count=1 -timeout 0 -v -chaos-time=10m $(CHAOS)

.PHONY: demo
demo: build ## a whole network on this machine, with the status page
	bin/ngit-sync demo

.PHONY: clean
clean: ## remove bin/
	rm -rf bin
