# `make demo`, `make run`, `make test`; `make pipeline` stops with the shipped pipeline installed. Offline after the installation.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE = 1
export TOKENIZERS_PARALLELISM = false
# make release: where the repository is, for the links of the README on the package index.
export DLFA_REPOSITORY ?=
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: run pipeline demo test quick docs release install install-test test-matrix clean

run: install
	$(BIN)/python -m spacy project run all .

# The shipped pipeline alone, installed as xx_dlfa_ner.
pipeline: install
	$(BIN)/python -m spacy project run package .
	$(BIN)/python -m spacy project run install .

# A page to try the shipped pipeline on: http://127.0.0.1:8080
demo: pipeline
	$(BIN)/python -m pip install --quiet -r requirements-serve.txt
	$(BIN)/python -m dlfa_spacy.cli serve --open --language

test: install-test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --durations=20

# For every day: lint, types, and each fast test once, with its first parameters.
quick: install-test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest --quick

# Each Python at hand, with the oldest, the pinned and the newest libraries: ARGS="--quick --pythons 3.12,3.13".
test-matrix: install
	$(BIN)/python scripts/test_matrix.py $(ARGS)

# The documentation as a site, with search: http://127.0.0.1:8000
docs: install
	$(BIN)/python -m pip install --quiet -r requirements-docs.txt
	$(BIN)/python -m mkdocs serve

# dist/: sdist and wheel of the package, wheel of the pipeline. They are checked, and installed into an empty
# environment, which annotates. Needs a network. CONTRIBUTING.md has the list of what comes before and after.
release: install
	$(BIN)/python -m pip install --quiet -r requirements-release.txt
	$(BIN)/python -c "import shutil; shutil.rmtree('dist', ignore_errors=True)"
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python scripts/package_model.py assets/xx_dlfa_ner assets/encoder packages --wheels dist
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python scripts/smoke.py packages assets/smoke.jsonl metrics/release.json --find-links dist

install: $(VENV)/.installed

install-test: $(VENV)/.installed-test

$(VENV)/.installed: requirements.txt setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements-test.txt
	$(BIN)/python -m pip install --quiet -r requirements-test.txt
	touch $@

clean:
	$(PYTHON) -c "import shutil; [shutil.rmtree(d, ignore_errors=True) for d in ('corpus', 'training', 'metrics', 'packages', 'report', '$(VENV)')]"
