# Targets for building, testing and trying ngit-sync; `make help` lists them.
# Needs Go and make; `make deps` fetches the rest through the system's package manager.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-builtin-rules --no-print-directory

GO        ?= go
TAGS      ?=
FUZZTIME  ?= 30s
TIMEOUT   ?= 40m
PKGS      ?= ./...
# What reads text of strangers; `make test` fuzzes these a little. The seeds of all targets run as tests anyway.
PARSERS   := ./relay ./internal/event ./internal/nip34 ./internal/relayurl ./filters ./internal/negentropy ./internal/config
BENCH     ?=

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
	@scripts/deps.sh

.PHONY: build
build: ## bin/ngit-sync; TAGS=libsecp256k1 checks signatures with the C library
	$(GO) build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o bin/ngit-sync ./cmd/ngit-sync

# Fuzzing is counted here, not timed: a timed run may end in the middle of an input, and fails then.
# -timeout is per package, and as many packages as there are cores run at once.
.PHONY: test
test: deps ## every test with the race detector, on SQLite and on a real Postgres, and a little fuzzing; PKGS=./relay/... for less
	scripts/postgres.sh run $(GO) test -race -timeout $(TIMEOUT) -tags '$(TAGS)' $(PKGS)
	@if [ '$(PKGS)' = ./... ]; then $(MAKE) fuzz FUZZTIME=3000x PKGS='$(PARSERS)'; fi

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
	@scripts/licences.sh

.PHONY: vuln
vuln: ## govulncheck, where it is installed and the Go vulnerability database can be reached
	@scripts/vulnerabilities.sh '$(GOVULN)'

.PHONY: alerts
alerts: ## each alert fires when it should, where promtool (of Prometheus) is installed
	@if command -v promtool >/dev/null; then promtool test rules deploy/prometheus/alerts.test.yml; \
	else echo "alerts NOT CHECKED: promtool is not installed" >&2; fi

# With go install and not as a tool directive: that would pull hundreds of modules into go.mod.
.PHONY: tools
tools: ## install golangci-lint and govulncheck into bin/tools (a minute or two)
	GOBIN=$(TOOLS) GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	GOBIN=$(TOOLS) GOFLAGS= $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULN_VERSION)

# `go test -fuzz` takes one target of one package at a time.
.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (30s); FUZZ='FuzzParse$$' for one
	@$(GO) test -run '^$$' -list '$(or $(FUZZ),^Fuzz)' $(PKGS) \
	| awk '/^Fuzz/ { target[n++] = $$1; next } /^ok/ { for (i = 0; i < n; i++) print $$2, target[i]; n = 0; next } \
		!/^\?/ { print > "/dev/stderr" }' \
	| while read -r pkg target; do \
		echo "== $$pkg $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg </dev/null; \
	done

.PHONY: bench
bench: ## measure the daemon on this machine; BENCH='-runs 3 historic' for one scenario
	$(GO) run ./bench -tags '$(TAGS)' $(BENCH)

.PHONY: demo
demo: build ## a whole network on this machine, with the status page
	bin/ngit-sync demo

.PHONY: clean
clean: ## remove bin/
	rm -rf bin
