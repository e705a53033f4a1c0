# Everything works on a machine with Python >= 3.11 and a package index; nothing has to be set up first.
#   make reproduce [TIER=laptop] [PAPER=JEM] [NOTEBOOK=2] [MINUTES=9] [JOBS=4]
#   make test     make test-quick     make lab     make report     make bundle [SETS='cifar10 cifar100']
# With VIRTUAL_ENV or CONDA_PREFIX set, that environment is used; otherwise .venv is made here.

SHELL := /bin/bash
TIER ?= reduced
SETS ?= cifar10 cifar100
SIDE_BY_SIDE := $(if $(JOBS),--jobs $(JOBS))
WHICH := $(if $(PAPER),$(PAPER)$(if $(NOTEBOOK),/$(NOTEBOOK)))
ENVIRONMENT := $(or $(VIRTUAL_ENV),$(CONDA_PREFIX),$(CURDIR)/.venv)
PYTHON := $(ENVIRONMENT)/bin/python
READY := $(ENVIRONMENT)/.five-papers-installed
RUN := $(PYTHON) -m lib.replication

# uv reads a local wheel folder from a variable of its own
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

# where no process may write bytecode, every start compiles a thousand files again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: env reproduce test test-elsewhere test-mutations test-faults test-quick test-report test-cluster bench-cluster check lab notebooks record report bundle status bench clean

env: $(READY)

$(PYTHON):
	python3 -m venv $(ENVIRONMENT)

# One command for torch and everything else: torchvision installed later would pull another torch over it.
$(READY): pyproject.toml constraints.txt | $(PYTHON)
	@$(PYTHON) -m uv --version >/dev/null 2>&1 || $(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m ensurepip >/dev/null
	@$(PYTHON) -m uv --version >/dev/null 2>&1 || $(PYTHON) -m pip install --quiet uv || true
	@echo "installing into $(ENVIRONMENT)"
	@$(PYTHON) -m uv pip install --quiet --python $(PYTHON) -e '.[test]' -c constraints.txt \
	  || $(PYTHON) -m pip install --quiet -e '.[test]' -c constraints.txt
	@touch $(READY)

reproduce: env
	@$(RUN) run $(WHICH) --tier $(TIER) $(SIDE_BY_SIDE) $(if $(MINUTES),--minutes $(MINUTES))

# Unit tests, dry runs of the larger tiers, every notebook under nbval from an empty output folder, one through the runner.
# With DEVICE=cuda, the tests of all that computes on a device, there; without it they are among the unit tests, on a pretended GPU.
test: env
ifdef DEVICE
	@OMP_NUM_THREADS=1 $(PYTHON) -m pytest -q --device $(DEVICE) tests/*/test_on_device.py
else
	@PYTHON=$(PYTHON) bash tests/run
endif

# Every notebook computed with SSE 4.1, as a machine without AVX2 would, against the references that AVX2 made; minutes.
test-elsewhere: env
	@output=$$(mktemp -d) && ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 OMP_NUM_THREADS=1 REPLICATION_OUTPUT=$$output \
	  $(PYTHON) -m pytest -q -s tests/whole_run/test_reference.py -k every_number; status=$$?; rm -rf $$output; exit $$status

# Every fault of tests/mutations.yaml, each of which its own tests must catch; minutes.
test-mutations: env
	@$(PYTHON) -m tests.mutate

# The site, built and looked at by a real browser without a network; needs Chromium.
test-report: env
	@$(PYTHON) -m pytest -q tests/report/browser.py

# Kills, full disks, floods, other locales, an interrupted installation; the short part is in `make test`. Ten minutes.
test-faults: env
	@OMP_NUM_THREADS=1 $(PYTHON) -m pytest -q -n 2 --dist load tests/faults

# Two papers through a real Slurm of one node, with a job and the node killed: every number as by a local run. Tens of minutes.
# It installs Slurm on this machine, as root, and refuses without ALLOW_SYSTEM_INSTALL=1. NOTEBOOKS='JEM/1 noisy-student/4' narrows it.
test-cluster: $(READY)-cluster
	@OMP_NUM_THREADS=1 $(PYTHON) -m pytest -q -s tests/cluster/batch.py

# A thousand jobs of one second: what Snakemake, locks and files cost at that number. Minutes.
bench-cluster: $(READY)-cluster
	@OMP_NUM_THREADS=1 $(PYTHON) -m tests.cluster.thousand

$(READY)-cluster: $(READY)
	@$(PYTHON) -m uv pip install --quiet --python $(PYTHON) -e '.[test,cluster]' -c constraints.txt \
	  || $(PYTHON) -m pip install --quiet -e '.[test,cluster]' -c constraints.txt
	@touch $@

test-quick: env check
	@OMP_NUM_THREADS=1 $(PYTHON) -m pytest -q -n 2 -m "not slow" --ignore=tests/notebooks --ignore=tests/whole_run --ignore=tests/faults tests

check: env
	@$(PYTHON) -m ruff check --quiet . && $(PYTHON) -m ruff format --quiet --check lib tests && $(PYTHON) -m mypy --no-error-summary

lab: env
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(PYTHON) -m jupyterlab  # one thread, as the runner: its artefacts serve here

notebooks: env
	@$(RUN) notebooks $(WHICH) $(SIDE_BY_SIDE)

record: env
	@$(RUN) record $(WHICH) --tier $(TIER) $(SIDE_BY_SIDE)

# Every claim, paper, notebook and recorded run as a page, to data/report; opens from there without a server.
report: env
	@$(PYTHON) -m lib.report

# For a machine without network: code, missing wheels and data sets in parts of 50 MB, to data/bundle.
bundle: env
	@$(RUN) bundle $(SETS)

status: env
	@$(RUN) status $(WHICH) --tier $(TIER)

# Speed against other libraries, by hand, on a quiet machine. In an environment of its own: torchattacks pins an old requests.
BENCH := benchmarks/.venv/bin/python

benchmarks/.venv/.installed: benchmarks/requirements.txt
	@python3 -m venv benchmarks/.venv
	@$(BENCH) -m pip install --quiet uv || true
	@echo "installing into benchmarks/.venv"
	@$(BENCH) -m uv pip install --quiet --compile-bytecode --python $(BENCH) -r $< || $(BENCH) -m pip install --quiet -r $<
	@touch $@

bench: benchmarks/.venv/.installed
	@OMP_NUM_THREADS=1 $(BENCH) -m benchmarks $(ROWS)

# Runs and artefacts; downloaded data sets stay. The environment goes only if it is our own.
clean:
	rm -rf data/runs data/artefacts data/report data/cluster .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
	-git worktree prune
	$(if $(or $(VIRTUAL_ENV),$(CONDA_PREFIX)),,rm -rf .venv)
