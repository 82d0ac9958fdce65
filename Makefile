# Two commands: `make demo` does the whole job once, `make test` passes the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# An inherited wish to write no byte code would make every process compile torch again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-long lint bench audit-bench matrix clean

# The stamp makes both commands work offline once everything is installed.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/installed
	$(BIN)/veristep demo

test: $(VENV)/installed lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not long" --durations 25

# What `make test` leaves out.
test-long: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m long

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What an audit costs against its risk limit: trains once, replays a good dozen intervals, some minutes.
audit-bench: $(VENV)/installed
	$(BIN)/python bench/audit_cost.py

bench: $(VENV)/installed
	$(BIN)/python bench/overhead.py
	$(BIN)/python bench/guard.py

# Every kind of script, honest and sabotaged in six ways: about an hour on two cores.
matrix: $(VENV)/installed
	$(BIN)/python bench/matrix.py

clean:
	rm -rf $(VENV) demo-out bench-out .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
