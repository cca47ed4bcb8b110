# make run    start everything (installs what is missing first); Ctrl-C stops it
# make test   types, lint, contracts and tests (installs what is missing first)
# make setup  only install;  make check  only examine, after `make setup`
# make deadlines  a million random deadlines against an independent calendar
# make fuzz   mutated files through the guarded reader: FILES=2000, SEED=0; nightly FILES=100000
# make mutation  change what decides in 2,500 ways, own servers: do the tests notice? (up to half an hour; docs/mutation.md)
# make soak-push  kill everything a thousand times while pushes flow and compare the books (about 15 minutes, own servers)
# make soak-gate  try to list what is not ready, a million times in memory and a hundred thousand through HTTP: SOAK="--http 10000"
# make test-at WHEN='2027-12-31 15:58'  the tests as if it were then (UTC; midnight in Hainan is 16:00); needs a C compiler
# make messages  bring the texts of the code into the catalogues of web/translations
#
# LANDREADY_DATABASE_URL and LANDREADY_REDIS_URL name servers to use instead of installing and starting private ones.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: run test test-at setup check packages messages soak-push soak-gate deadlines mutation
.DEFAULT_GOAL := run

PYTHON ?= python3
VENV := .venv/bin
# Scripts in .venv know their own folder: a clone that was moved is installed anew.
INSTALLED := .venv/.installed-$(shell pwd | cksum | cut -d' ' -f1)
VENDOR := web/static/vendor
CATALOGUES = $(patsubst %.po,%.mo,$(wildcard web/translations/*/LC_MESSAGES/*.po))

# Debian packages that are missing here. With none missing, neither apt nor sudo is called.
MISSING = $(if $(LANDREADY_DATABASE_URL)$(wildcard /usr/share/postgresql/*/extension/postgis.control),,postgresql-postgis) \
	$(if $(LANDREADY_REDIS_URL)$(shell command -v redis-server),,redis-server) \
	$(if $(wildcard $(VENDOR)/.installed)$(shell command -v npm),,npm) \
	$(if $(wildcard $(VENV)/pip)$(shell $(PYTHON) -c 'import ensurepip, venv; print(1)' 2>/dev/null),,python3-venv) \
	$(if $(shell $(PYTHON) -c 'from ctypes.util import find_library as f; print(f("pangoft2-1.0") and f("harfbuzz-subset") or "")'),,libpangoft2-1.0-0 libharfbuzz-subset0) \
	$(if $(shell fc-list 'Noto Sans CJK SC' 2>/dev/null | head -n 1),,fontconfig fonts-noto-cjk)
MISSING_FOR_TESTS = $(if $(shell command -v chromium),,chromium) $(if $(shell command -v pdffonts),,poppler-utils)

run: setup
	@exec $(VENV)/landready up $(if $(PORT),--port $(PORT))

test: MISSING += $(MISSING_FOR_TESTS)
test: setup
	@$(MAKE) --no-print-directory check

check:
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check
	@$(VENV)/mypy
	@$(VENV)/lint-imports
	@$(VENV)/pytest -n 2 --dist loadfile

test-at: setup
	@test -n "$(WHEN)" || { echo "make test-at WHEN='2027-12-31 15:58' [TESTS=tests/web]" >&2; exit 2; }
	@folder=$$(mktemp -d); trap 'rm -r "$$folder"' EXIT; chmod 755 "$$folder"; \
	cc -O2 -Wall -shared -fPIC -o "$$folder/clock.so" bench/clock.c; \
	offset=$$(( $$(date -u -d "$(WHEN)" +%s) - $$(date +%s) )); \
	CLOCK_OFFSET=$$offset LD_PRELOAD="$$folder/clock.so" $(VENV)/pytest -n 2 --dist loadfile $(TESTS)

fuzz: $(INSTALLED)
	@$(VENV)/python -m bench.fuzz --files $(or $(FILES),2000) --seed $(or $(SEED),0)

setup: packages $(INSTALLED) $(VENDOR)/.installed $(CATALOGUES) .venv/.compiled

# RUNLEVEL=1: Debian's own services are not wanted, only their programs.
packages:
	@missing="$(strip $(MISSING))"; \
	if [ -n "$$missing" ]; then \
		command -v apt-get >/dev/null || { echo "Please install: $$missing" >&2; exit 2; }; \
		as_root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		echo "Installing $$missing"; \
		$$as_root apt-get update -qq; \
		$$as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$missing; \
	fi

$(INSTALLED): requirements.lock pyproject.toml | packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 2; }
	@[ -e $@ ] && $(VENV)/python -c '' || $(PYTHON) -m venv --clear .venv
	$(VENV)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(VENV)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The measuring engine's machine code: else the first to measure would wait for it.
.venv/.compiled: $(wildcard geo/*.py) | $(INSTALLED)
	$(VENV)/python -m geo.warm
	@touch $@

$(VENDOR)/.installed: package.json package-lock.json .npmrc | packages
	npm ci --ignore-scripts --silent
	@rm -rf $(VENDOR)
	@mkdir -p $(VENDOR)/{bootstrap,bootstrap-icons,htmx,leaflet}
	@cp node_modules/bootstrap/{dist/css/bootstrap.min.css,dist/js/bootstrap.bundle.min.js,LICENSE} $(VENDOR)/bootstrap
	@cp -r node_modules/bootstrap-icons/{font/bootstrap-icons.min.css,font/fonts,LICENSE} $(VENDOR)/bootstrap-icons
	@cp node_modules/htmx.org/{dist/htmx.min.js,LICENSE} $(VENDOR)/htmx
	@cp -r node_modules/leaflet/{dist/leaflet.css,dist/leaflet.js,dist/images,LICENSE} $(VENDOR)/leaflet
	@touch $@

deadlines: setup
	@PYTHONPATH=. $(VENV)/python bench/deadlines.py

mutation: setup
	@$(VENV)/python -m bench.mutation

%.mo: %.po | $(INSTALLED)
	@$(VENV)/pybabel --quiet compile -i $< -o $@

soak-push: setup
	@$(VENV)/python bench/soak_push.py $(SOAK)

soak-gate: setup
	@$(VENV)/python bench/soak_gate.py $(SOAK)

# New texts come in untranslated, changed ones are never guessed, lost ones go: tests/test_language.py names what is to do.
messages: | $(INSTALLED)
	@pot=$$(mktemp); trap 'rm -f "$$pot"' EXIT; \
	$(VENV)/pybabel --quiet extract -F web/babel.cfg -k N_ -k _ -k gettext -k ngettext:1,2 \
		--no-location --sort-output --omit-header -o "$$pot" .; \
	$(VENV)/pybabel --quiet update -i "$$pot" -d web/translations -D messages \
		--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date -w 100
