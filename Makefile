# Pullway: what you can make. "make help" lists it.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/pullway/pullway/internal/cli.version=$(VERSION)
NODES   ?= 20
# Where the lab keeps the containerd releases that it has built.
LAB_CACHE := $(or $(XDG_CACHE_HOME),/var/cache)/pullway-lab

.PHONY: help build engine test lint e2e demo bench fuzz generate clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: engine ## build bin/pullway with the node engines inside
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/pullway ./cmd/pullway

engine: # the node engine for both architectures, packed for embedding
	go run ./internal/engine/pack

test: ## unit tests: no root, no network beyond Go modules
	go vet ./...
	go test ./...

lint: ## vet, staticcheck and gofmt
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet -tags e2e ./...
	go tool staticcheck -tags e2e ./...

e2e: build ## end-to-end tests on real nodes (root, Debian or Ubuntu)
	go run ./test/lab/cmd/lab requirements --install
	go test -tags e2e -count=1 -timeout 30m ./test/...
	PULLWAY_CONTAINERD=$$(ls $(LAB_CACHE)/containerd-2.4.2-*/usr/local/bin/containerd | head -n 1) \
	  go test -count=1 -run Real ./internal/cri ./internal/daemon

demo: ## the whole story on three real nodes, then everything is taken down (root)
	@./test/demo/run

bench: build ## speed and size against ssh floors on NODES real nodes (root)
	go run ./test/lab/cmd/lab requirements --install
	go run ./test/bench -nodes $(NODES)

fuzz: ## every fuzz target for FUZZTIME (default 20s) each
	@for p in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep ^Fuzz); do \
	    echo "== $$p $$f"; go test -run xxx -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-20s} $$p || exit 1; done; done

generate: ## regenerate docs/reference
	go generate ./...

clean: ## remove what was built
	rm -rf bin internal/engine/assets/*.zst internal/engine/assets/index.json
