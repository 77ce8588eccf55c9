# make run    sets everything up and serves the chat on http://127.0.0.1:8080
# make test   sets everything up and runs formatting, lint, types and tests
# make soak   kills the program two hundred times while people answer, and loads of documents forty times
# make judge  asks programs that others wrote whether we speak Telegram as they understand it
# make bench  measures what docs/figures.md holds, and make bench-assessment a round for 10,000 members, make
#             bench-taps what a member spends; make bench-retrieval what docs/retrieval.md holds; make
#             bench-growth how fast the documents grow, bench-reloads a thousand loads under questions,
#             bench-unasked how well a document is found that was loaded later, bench-channels the way from
#             a platform's update to the answer under load

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: run test soak judge bench bench-assessment bench-taps bench-retrieval bench-growth bench-reloads bench-unasked \
	bench-channels clean tools

run: $(VENV)/.ready
	@exec $(BIN)/python -m bot run

test: $(VENV)/.ready-dev tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

soak: $(VENV)/.ready-dev
	$(BIN)/pytest -m soak tests/soak

judge: $(VENV)/.ready-dev .judge/.ready
	$(BIN)/pytest -m judge tests/judge

# aiogram asks for an older pydantic than we run on, so it has an environment of its own.
.judge/.ready: requirements-judge.txt tests/judge/package.json tests/judge/package-lock.json
	@command -v npm >/dev/null || { echo "make judge needs Node.js 20 or newer with npm" >&2; exit 1; }
	$(PYTHON) -m venv .judge/venv
	.judge/venv/bin/python -m pip install -q -r requirements-judge.txt
	mkdir -p .judge/npm
	cp tests/judge/package.json tests/judge/package-lock.json .judge/npm/
	npm ci --prefix .judge/npm --silent --no-audit --no-fund
	@touch $@

bench: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.figures

bench-assessment: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.assessment

bench-taps: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.taps

# DATA: a folder with plan_dev and dev; PEERS: the Python of an environment with benchmarks/requirements-peers.txt
bench-retrieval: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.retrieval --out docs/retrieval.md $(if $(DATA),--data $(DATA)) $(if $(PEERS),--peers $(PEERS))

# DATA: a folder with legal_articles.jsonl.zst
bench-growth: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.growth --data $(DATA)

bench-reloads: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.reloads

# PROCESSES: how many processes answer beside the program
bench-channels: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.channels --processes $(or $(PROCESSES),0)

bench-unasked: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.unasked

clean:
	rm -rf $(VENV) .judge .mypy_cache .ruff_cache .pytest_cache

# The environment is made once, and again only when the requirements change.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Tu Soi needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -q && apt-get install -q -y --no-install-recommends python3-venv; \
	  else echo "Python's venv module is missing: install the package python3-venv" >&2; exit 1; fi; }
	$(PYTHON) -m venv $(VENV)

# torch goes first and alone: asked for by another package, a newer and far larger build may come instead.
$(VENV)/.ready: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q torch==2.13.0
	$(BIN)/python -m pip install -q -r requirements.txt
	@touch $@

$(VENV)/.ready-dev: requirements-dev.txt $(VENV)/.ready
	$(BIN)/python -m pip install -q -r requirements-dev.txt
	@touch $@

# The page is tested in a real Chromium, driven by Playwright's own Node.js, which needs libatomic: the system's, both
# installed here where that is allowed.
# Scanned documents are read by Tesseract with its Vietnamese data.
tools: $(VENV)/.ready-dev
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null \
	  && $(BIN)/python -m playwright --version >/dev/null 2>&1 \
	  || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -q && apt-get install -q -y --no-install-recommends chromium libatomic1; \
	  else echo "The page is not tested without a browser. On Debian: sudo apt-get install chromium libatomic1" >&2; fi
	@tesseract --list-langs 2>/dev/null | grep -qx vie \
	  || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -q && apt-get install -q -y --no-install-recommends tesseract-ocr tesseract-ocr-vie; \
	  else echo "OCR is not tested without Tesseract. On Debian: sudo apt-get install tesseract-ocr tesseract-ocr-vie" >&2; fi
