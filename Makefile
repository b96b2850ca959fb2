# Pullway: what you can make. "make help" lists it.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/pullway/pullway/internal/cli.version=$(VERSION)
NODES   ?= 20
# Where the lab keeps the containerd releases that it has built.
LAB_CACHE := $(or $(XDG_CACHE_HOME),/var/cache)/pullway-lab
# The releases of the end-to-end tests.
E2E_RELEASES := 1.6.20,1.7.35,2.4.2,2.2.3,2.0.14

.PHONY: help build engine test lint vuln e2e e2e-full e2e-kubespray demo bench bench-assess bench-trace bench-doctor fuzz generate clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

vuln: ## known vulnerabilities in what is called (govulncheck; passes loudly where its database is out of reach)
	@test/vuln/run

# What the lab is made of comes first, so that it takes nothing of a test's time.
e2e: build ## end-to-end tests on real nodes (root, Debian or Ubuntu)
	go run ./test/lab/cmd/lab requirements --install
	@command -v chromium >/dev/null || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium; }
	go run ./test/lab/cmd/lab build --spec $(E2E_RELEASES) --kubelets node1 --controllers
	@rm -f bin/rules-truth.txt bin/trace-agreement.txt
	PULLWAY_RULES_TRUTH=$(CURDIR)/bin/rules-truth.txt PULLWAY_AGREEMENT_RATES=$(CURDIR)/bin/trace-agreement.txt \
	  go test -tags e2e -count=1 -timeout 70m ./test/...
	PULLWAY_CONTAINERD=$$(ls $(LAB_CACHE)/containerd-2.4.2-*/usr/local/bin/containerd | head -n 1) \
	  go test -count=1 -run Real ./internal/cri ./internal/daemon
	@cat bin/rules-truth.txt
	@cat bin/trace-agreement.txt

e2e-full: build ## all of what e2e samples: docs/faults.md, docs/impact-truth.md, docs/trace-agreement.md, docs/rules/truth.md (root)
	go run ./test/lab/cmd/lab requirements --install
	PULLWAY_IMPACT_TRUTH=$(CURDIR)/docs/impact-truth.md go test -tags e2e -count=1 -timeout 10m -v -run '^TestImpactTruth$$' ./test/e2e
	PULLWAY_E2E=full PULLWAY_AGREEMENT=record go test -tags e2e -count=1 -timeout 90m -v \
	  -run '^(TestFaults|TestKilledAtAnyMoment|TestRules|TestTraceAgreement)$$' ./test/e2e

e2e-kubespray: build ## Kubespray's own tasks, of the git repository KUBESPRAY_DIR, beside ours: writes docs/kubespray-releases.md (root)
	@test -n "$(KUBESPRAY_DIR)" || { echo "set KUBESPRAY_DIR to a git repository of Kubespray, bare or checked out"; exit 2; }
	go run ./test/lab/cmd/lab requirements --install
	PULLWAY_KUBESPRAY=record go test -count=1 -timeout 60m -v ./test/kubespray
	PULLWAY_KUBESPRAY=record go test -tags e2e -count=1 -timeout 60m -v -run '^TestKubesprayReleases$$' ./test/e2e
	go test -tags e2e -count=1 -timeout 30m -v -run '^(TestKubesprayRuns|TestKubesprayRunIsCut)$$' ./test/e2e

demo: ## the whole story on three real nodes, then everything is taken down (root)
	@./test/demo/run

bench: build ## speed, memory and size against ssh and Ansible on NODES real nodes (root)
	go run ./test/lab/cmd/lab requirements --install
	go run ./test/bench -nodes $(NODES)

bench-assess: build ## the part of it about pullway assess: 5,000 nodes and 150,000 pods on a real API server (root)
	go run ./test/lab/cmd/lab requirements --install
	go run ./test/bench -part assess

bench-doctor: build ## the part of it about pullway doctor: the files of 5,000 nodes
	go run ./test/bench -part doctor

bench-trace: build ## the part of it about pullway trace: a trace beside a real pull on two real nodes (root)
	go run ./test/lab/cmd/lab requirements --install
	go run ./test/bench -part trace

fuzz: ## every fuzz target for FUZZTIME (default 20s) each
	@for p in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep ^Fuzz); do \
	    echo "== $$p $$f"; go test -run xxx -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-20s} $$p || exit 1; done; done

generate: ## regenerate docs/reference
	go generate ./...

clean: ## remove what was built
	rm -rf bin internal/engine/assets/*.zst internal/engine/assets/index.json
