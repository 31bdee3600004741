# make demo   install undim's default wing into .venv and brighten the bundled photograph
# make test   install everything into .venv-dev and run lint, types and tests
# make docs   write docs/cli.md, and the tables and the picture of the README, anew from the package
# make sanitize  run the native kernel's tests under the address and undefined-behaviour sanitizers (GCC)
# make clean  remove what the others made

PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
    $(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
PHOTO := assets/night-coffee.jpg
BUILT := pyproject.toml CMakeLists.txt $(wildcard src/undim/pixels/native/*)
PACKAGE := $(BUILT) $(shell find src -type f ! -name '*.pyc')
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test docs sanitize clean python

demo: .venv/.stamp
	@echo "demo: brightening $(PHOTO)"
	@rm -rf demo && mkdir demo
	@.venv/bin/undim enhance $(PHOTO) -o demo/night-coffee.jpg
	@.venv/bin/undim compare $(PHOTO) -o demo/before-after.png

test: .venv-dev/.stamp
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/pytest

docs: .venv-dev/.stamp
	.venv-dev/bin/python scripts/write_docs.py
	.venv-dev/bin/undim compare $(PHOTO) -o docs/images/before-after.jpg

sanitize: .venv-dev/.stamp
	PATH="$(CURDIR)/.venv-dev/bin:$$PATH" .venv-dev/bin/python scripts/sanitize.py

clean:
	rm -rf .venv .venv-dev demo build dist

.venv/.stamp: $(PACKAGE) | python
	@echo "demo: installing undim and what it needs into .venv; this takes a minute or two"
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet .
	@touch $@

# Torch comes first and alone, so that whatever pip is told about where to find it concerns nothing else.
.venv-dev/.torch: constraints.txt | python
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/pip install --quiet --constraint constraints.txt torch
	@touch $@

.venv-dev/.stamp: .venv-dev/.torch $(BUILT) | python
	.venv-dev/bin/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

python:
	@test -n "$(PYTHON)" || { echo "undim needs Python 3.11 or newer; none was found." \
	    "Install one, or name it: make demo PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("undim needs Python 3.11 or newer, and \
	$(PYTHON) is " + sys.version.split()[0] + "; name a newer one: make demo PYTHON=/path/to/python3.11")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make environments;" \
	    "on Debian and Ubuntu install the package python3-venv" >&2; exit 1; }
