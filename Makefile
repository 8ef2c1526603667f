# Two commands do the work: `make run` and `make test`. Each first sets up what it
# needs. Python 3.11 or newer and make are all that must be there.

# Plain `=`, so that variables of the surrounding shell (WSL sets NAME) change nothing.
PROFILE = demo
SEED = 0
NAME = ucf101_$(PROFILE)$(if $(filter-out 0,$(SEED)),_seed$(SEED))
JOBS = 2
ARGS =
# 00 comes last: it shows the minutes of all.
LESSONS = $(filter-out notebooks/00%,$(sort $(wildcard notebooks/*.ipynb))) \
    $(wildcard notebooks/00*.ipynb)
PYTHON =

BIN := .venv/bin
# Virtual environments do not survive being moved: the mark names the folder.
READY := .venv/ready-$(shell pwd -P | cksum | cut -d ' ' -f 1)

.PHONY: help run quick test test-all setup lint notebooks figures screenshots assets site site-pdf \
    slides quiz clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: PROFILE=$(PROFILE) SEED=$(SEED) NAME=$(NAME) JOBS=$(JOBS) ARGS= PYTHON="

run: $(READY)  ## distil VFL-Net and report, in runs/NAME; again: continue
	$(BIN)/dvfl run --profile "$(PROFILE)" --name "$(NAME)" --seed "$(SEED)" $(ARGS)

# Lessons 07, 08 and 09 train: tests/end_to_end executes them, cut short, and compares
# what they print; `make test-all` executes lesson 07 whole.
NBVAL := --nbval --nbval-sanitize-with tests/notebooks/sanitize.cfg \
    $(addprefix --ignore=,$(wildcard notebooks/0[789]_*.ipynb))
# tests/exercises plays these in one process; `make test-all` executes them in kernels.
PLAYED := --ignore=notebooks/exercises --ignore=notebooks/solutions
PYTEST := -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
ONE_THREAD := OMP_NUM_THREADS=1 $(BIN)/python

quick: $(READY)  ## the core of the tests, in a minute and a half
	$(ONE_THREAD) $(PYTEST) -m quick tests $(ARGS)

test: lint  ## check the style, then run the tests and every lesson
	DVFL_TEST=1 $(ONE_THREAD) $(PYTEST) -m "not nightly" $(NBVAL) $(PLAYED) tests notebooks \
	    $(ARGS)

test-all: lint  ## everything: kills, real clips, whole runs; measures coverage
	$(ONE_THREAD) -m coverage erase
	$(ONE_THREAD) -m coverage run $(PYTEST) $(NBVAL) tests notebooks $(ARGS)
	$(ONE_THREAD) -m coverage combine -q
	$(ONE_THREAD) -m coverage report

setup: $(READY)  ## make the virtual environment .venv, once

lint: $(READY)  ## check the style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

notebooks: $(READY)  ## execute every lesson again, in place (LESSONS= for some)
	$(BIN)/python tools/notebooks.py execute $(LESSONS)
	$(BIN)/python tools/notebooks.py table

figures: $(READY)  ## draw every figure of figures/ again
	$(BIN)/python figures/drawings

screenshots: $(READY)  ## picture the explorer again, in a Chromium that is there
	PYTHONPATH=tests $(BIN)/python -m browser.screenshots figures

assets: $(READY)  ## train the small networks of data/assets again
	$(BIN)/python tools/train_assets.py

site: $(READY)  ## build the web site, in build/site
	$(BIN)/python -m tools.site build/site

site-pdf: site  ## print the lessons of the site, with a Chromium that is there
	$(BIN)/python -m tools.site build/site --pdf

slides: $(READY)  ## make the slides of every lesson, in build/slides
	$(BIN)/python -m tools.slides

quiz: $(READY)  ## write the quiz bank, for Moodle and for paper, in build/quiz
	$(BIN)/python -m tools.quiz build/quiz
	$(BIN)/python -m tools.quiz outcomes

clean:  ## remove the environment and caches; data/ and runs/ stay
	rm -rf .venv .pytest_cache .ruff_cache build dist *.egg-info
	find dvfl_lib tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The mark is written last, and without it the environment is made anew: an
# interrupted installation is never built upon.
$(READY): pyproject.toml constraints.txt
	@for python in $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python); do \
	    "$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' \
	        2>/dev/null || continue; \
	    echo "Setting up .venv with $$("$$python" --version); needed once, takes minutes"; \
	    "$$python" -m venv --clear .venv || exit 1; \
	    $(BIN)/python -m pip install --disable-pip-version-check \
	        -c constraints.txt -e '.[lab,deploy,mobile,track,site,test]' || exit 1; \
	    touch "$@"; \
	    exit 0; \
	done; \
	echo "No Python 3.11 or newer with venv among:" \
	    "$(or $(PYTHON),python3.11 python3.12 python3.13 python3 python)." >&2; \
	echo "Install one (Debian, Ubuntu: apt install python3 python3-venv)," \
	    "or name yours: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3" >&2; \
	exit 1
