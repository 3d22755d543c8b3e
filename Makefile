# `make` alone tells what there is. Everything happens inside .venv and _build.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
VENV := .venv/.installed
# Two builds in one folder take turns.
ALONE := $(PYTHON) code/tools/alone.py
# What Python compiles it may keep: else each process of the tests compiles them all again. So pip
# need not compile everything, most of which is never imported.
unexport PYTHONDONTWRITEBYTECODE
# No need of a home that can be written.
export MPLCONFIGDIR := $(CURDIR)/_build/matplotlib

PAGES := $(wildcard _config.yml _toc.yml chapters/* _assets/* _assets/*/* code/descent/*.py code/descent/*/*.py code/descent/*/*.toml \
	code/descent/*/*.json requirements.txt \
	code/tools/*.py code/tools/templates/* code/tools/templates/*/*) $(VENV)

.PHONY: help environment book execute html test serve lint bench sabotage screenshots pdf clean

help:  ## this text
	@echo "The book:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile

$(VENV): requirements.txt constraints.txt code/pyproject.toml
	@$(ALONE) $(MAKE) --no-print-directory environment

# An interruption may leave an environment without pip, or packages half installed, which pip takes
# for whole although it has not yet written their RECORD.
environment:
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@for info in .venv/lib/python*/site-packages/*.dist-info; do test -e "$$info/RECORD" || rm -rf "$$info"; done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r requirements.txt
	@touch $(VENV)

book: execute  ## run the notebooks that are out of date, then build _build/html
	@$(MAKE) --no-print-directory html

execute: $(VENV)
	@$(BIN)/python code/tools/execute.py

html: $(VENV)  ## build _build/html from the stored outputs
	@$(ALONE) $(MAKE) --silent --no-print-directory _build/html/.built
	@echo "The book: _build/html/index.html"

_build/html/.built: $(PAGES)
	$(BIN)/jupyter-book build --all --quiet -W -n --keep-going .
	@touch $@

test: html  ## run the unit tests, the notebooks against their outputs, and the pages in a browser
	$(BIN)/python -m pytest --nbval --nbval-current-env --nbval-cell-timeout=300 -n auto \
		--no-loadscope-reorder chapters tests code/descent

serve: html  ## show the pages at http://127.0.0.1:8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

lint: $(VENV)  ## check style, types and the form of the notebooks' code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)  ## measure the speed of the package, and keep the results
	$(BIN)/python code/tools/bench.py

sabotage: $(VENV)  ## run the chapters with the package broken on purpose, and keep which verdicts change
	$(BIN)/python code/tools/sabotage.py

screenshots: html  ## picture every page at three widths, in _build/screenshots
	$(BIN)/python code/tools/screenshots.py

pdf: html  ## the whole book as one PDF, _build/descent.pdf
	$(BIN)/python code/tools/pdf.py

clean:  ## remove _build and .venv
	rm -rf _build .venv
