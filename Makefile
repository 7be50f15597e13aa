# Set-up and the main jobs. Needs Python 3.11 or newer, git and make; everything else goes into .venv.
PYTHON ?= python3
STUDY ?= nct07239271
SOURCE ?=

export PATH := $(CURDIR)/.venv/bin:$(PATH)
READY := .venv/.ready

.PHONY: run test setup lint null-check lock reference

run: $(READY) ## check the input, run the pipeline, show the results (STUDY=name SOURCE=folder)
	pcr run --study "$(STUDY)" $(if $(SOURCE),--source "$(SOURCE)")

test: $(READY) lint ## all checks and tests
	python -m pytest --numprocesses auto --dist loadfile

lint: $(READY)
	ruff format --check .
	ruff check .
	mypy

null-check: $(READY) ## 50 permutations of the outcome: no model may find anything
	python -m pipeline.null_check

setup: $(READY)

$(READY): requirements.lock requirements-setup.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed (make PYTHON=...)" if sys.version_info < (3, 11) else 0)'
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	python -m pip install --quiet --require-hashes -r requirements-setup.lock
	uv pip sync --quiet --compile-bytecode requirements.lock
	uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)

lock: ## pin again after a change of dependencies in pyproject.toml
	uv pip compile --quiet --universal --fork-strategy fewest --no-header --generate-hashes --python-version 3.11 \
		pyproject.toml --group dev --output-file requirements.lock
	echo uv | uv pip compile --quiet --universal --no-header --generate-hashes --python-version 3.11 - \
		--output-file requirements-setup.lock

reference: $(READY) ## regenerate the reference values (needs R with pROC and rms)
	cd tests/reference && Rscript performance_data.R && Rscript performance.R
	cd tests/reference && uv run --no-project --with dcurves==1.1.7 --with "pandas<3" python net_benefit_dcurves.py
