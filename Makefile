# Set-up and the main jobs. Needs Python 3.11 or newer, git and make; everything else goes into .venv.
PYTHON ?= python3
STUDY ?= nct07239271
SOURCE ?=
PROFILE ?=

export PATH := $(CURDIR)/.venv/bin:$(PATH)
READY := .venv/.ready
# Checks that take minutes to hours, in a graph of their own: `dvc status` says which of them are out of date.
CHECKS := pipeline/simulation_checks/dvc.yaml

.DEFAULT_GOAL := run
.PHONY: help run test test-newest browser setup lint null-check kill-test fault-campaign reader-campaign cohort-campaign gate-check blocks-truth coverage patient-intervals attainable targets bench latency lock reference tamper-test request-campaign monitoring-check spec-campaign design reproduce two-users cluster-test docs pictures

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | while IFS="$$(printf '\t')" read -r name said; \
		do printf '%-11s %s\n' "$$name" "$$said"; done

run: $(READY) ## check the input, run the pipeline, show the results (STUDY=name SOURCE=folder)
	pcr run --study "$(STUDY)" $(if $(SOURCE),--source "$(SOURCE)") $(if $(PROFILE),--profile "$(PROFILE)")

test: $(READY) lint browser ## all checks and tests
	python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

browser: $(READY) ## is there a Chromium for the tests of the pages? (PCR_CHROMIUM=path names another one)
	@python -m tests.browser

lint: $(READY) ## formatting, lint, types, and the counts of the house (python -m tests.house --items)
	ruff format --check .
	ruff check .
	mypy
	python -m tests.house --check

null-check: $(READY) ## 50 permutations of the outcome at every landmark: no model may find anything (hours)
	dvc repro $(CHECKS):null_check

fault-campaign: $(READY) ## fail, kill and stop runs of one study: no file of another or of its last good results may change
	python -m tests.fault_campaign 30
	python -m tests.fault_campaign 30 --pipeline

reader-campaign: $(READY) ## 2,000 files of every format with habits at random, 2,000 damaged ones: read as meant, or refused
	python -m tests.pipeline.reader_campaign 2000
	python -m tests.pipeline.variant_campaign 2000

cohort-campaign: $(READY) ## 60 odd cohorts at random: each runs to its end, or is refused before anything is computed
	python -m tests.cohort_campaign 60

spec-campaign: $(READY) ## alter every expected answer of tests/spec: each row must fail (minutes); --code puts faults into the code
	python -m tests.spec_campaign

kill-test: $(READY) ## kill track (50 times as a stage), promote, sync and update (500): MLflow must end as after a clean run
	python -m tests.kill_track 50
	python -m tests.kill_registry 500

request-campaign: $(READY) ## 10,000 generated requests, slow sockets and tables beyond the limits against `pcr serve`
	python -m tests.request_campaign 10000

two-users: $(READY) ## two users with a clone each on one `mlflow server` with passwords and PostgreSQL, and one without a clone
	python -m tests.two_users

cluster-test: $(READY) ## Dask on hosts in network namespaces: workers, the scheduler and links fail, the bits stay (ten minutes)
	python -m tests.cluster_campaign

monitoring-check: $(READY) ## false alarms, delays and updates of watching a model, simulated, into docs/ (half a minute)
	python -m pipeline.simulation_checks.monitoring

tamper-test: $(READY) ## alter every file, row and alias of a registered model, one at a time: each is refused or named
	python -m tests.tampering

design: $(READY) ## what a trial like this one would find: arms, model, gates, groups (configs/design.yaml; some minutes)
	pcr design

patient-intervals: $(READY) ## how often a patient's interval holds the true risk of simulated patients, into docs/ (ten minutes)
	dvc repro --single-item $(CHECKS):patient_intervals

blocks-truth: $(READY) ## do the verdicts on blocks find a signal, and none without one? 400 simulated trials (half an hour; resumable)
	python -m pipeline.simulation_checks.blocks_truth

coverage: $(READY) ## do the intervals cover? 3,500 simulated trials (hours; resumable), into docs/
	dvc repro --single-item $(CHECKS):coverage

gate-check: $(READY) ## how often good and bad models pass the gates of promotion, into docs/ (ten minutes)
	python -m pipeline.simulation_checks.gates

attainable: $(READY) ## the best attainable AUC of the simulation, approximately, into docs/
	python -m pipeline.simulation_checks.attainable --study configs/studies/nct07239271.yaml --configs configs \
		--settings configs/coverage.yaml --features artifacts/nct07239271/features --out docs/attainable.json

targets: $(READY) ## which published figures a large simulated cohort reproduces, into docs/
	dvc repro --single-item $(CHECKS):targets

# Matrix products of one thread, as the pipeline and `pcr serve` have them.
bench: export OPENBLAS_NUM_THREADS := 1
bench: $(READY) ## measure, as ratios within one run; never a test
	for name in rules bootstrap nested_cv serving million wide sources transport stages; do python -m benchmarks.$$name || missed="$$missed $$name"; done; \
		test -z "$$missed" || { echo "goals missed:$$missed"; exit 1; }

latency: $(READY) ## single rows over HTTP under 1 and 8 clients, by both servers, after `make run`
	python -m tests.latency

setup: $(READY) ## install everything into .venv, from the lock files

$(READY): requirements.lock requirements-setup.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed (make PYTHON=...)" if sys.version_info < (3, 11) else 0)'
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	python -m pip install --quiet --require-hashes -r requirements-setup.lock
	uv pip sync --quiet --compile-bytecode requirements.lock
	uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)

# Another Python from the same lock, in an environment of its own; the newest that is supported, or NEWEST=name.
NEWEST ?= python3.13
test-newest: .venv-newest/.ready ## all tests under another Python, from the same lock (NEWEST=python3.13)
	PATH="$(CURDIR)/.venv-newest/bin:$(PATH)" python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

.venv-newest/.ready: $(READY) requirements.lock
	test -x .venv-newest/bin/python || $(NEWEST) -m venv .venv-newest
	uv pip sync --quiet --python .venv-newest/bin/python --compile-bytecode requirements.lock
	uv pip install --quiet --python .venv-newest/bin/python --no-deps --no-build-isolation --editable .
	touch $@

# The newest versions that pyproject.toml allows, without the lock, under the newest Python.
reproduce: .venv-latest/.ready ## every result of the active study computed anew by other versions, cell by cell
	pcr reproduce --python .venv-latest/bin/python --out docs/reproduction

.venv-latest/.ready: $(READY) pyproject.toml
	test -x .venv-latest/bin/python || $(NEWEST) -m venv .venv-latest
	uv pip install --quiet --python .venv-latest/bin/python --upgrade --compile-bytecode --requirements pyproject.toml
	touch $@

# The documentation site has an environment of its own: no test and no run needs it.
docs: .venv-docs/.ready ## build the documentation into site/, after a run; it opens from disk (site/index.html)
	python -m documentation.site .docs
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --config-file documentation/mkdocs.yml
	rm site/404.html # of servers: from disk its links lead nowhere
	@echo site/index.html

pictures: $(READY) ## take the pictures of README and tutorial anew from the pages of the active study
	python -m tests.pictures

.venv-docs/.ready: $(READY) requirements-docs.lock
	test -x .venv-docs/bin/python || $(PYTHON) -m venv .venv-docs
	uv pip sync --quiet --python .venv-docs/bin/python --require-hashes requirements-docs.lock
	touch $@

lock: ## pin again after a change of dependencies in pyproject.toml
	uv pip compile --quiet --universal --fork-strategy fewest --no-header --generate-hashes --python-version 3.11 \
		pyproject.toml --group dev --output-file requirements.lock
	echo uv | uv pip compile --quiet --universal --no-header --generate-hashes --python-version 3.11 - \
		--output-file requirements-setup.lock
	uv pip compile --quiet --universal --no-header --generate-hashes --python-version 3.11 --group docs \
		--no-emit-package pcr-response-pipeline --output-file requirements-docs.lock

reference: $(READY) ## regenerate the reference values (needs R with pROC, rms, metafor and mvtnorm)
	cd tests/reference && for script in performance_data performance heterogeneity_data heterogeneity \
		sample_size strategy uncertainty_data uncertainty efficacy design omics; do Rscript $$script.R || exit 1; done
	cd tests/reference && uv run --no-project --with dcurves==1.1.7 --with "pandas<3" python net_benefit_dcurves.py
