# Everything runs in .venv of this folder; `make` alone says what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
N      ?= 200
JOBS   ?= 3 # most tests wait for processes and servers: more of them than cores

.PHONY: help demo demo-fiks test lint bench kills clean

help:
	@echo "make demo          reports in, with the gateway killed on the way, and letters out: every partner simulated"
	@echo "make demo STAY=1   the same, and everything stays up until you press Ctrl-C"
	@echo "make demo-fiks     the same over Fiks IO, with a real RabbitMQ that is killed too (Debian: rabbitmq-server)"
	@echo "make test          all tests"
	@echo "make lint          format, style, types, import rules"
	@echo "make bench         figures of this machine, beside its own bound"
	@echo "make kills N=1000  kill the gateway at random N times and count what was lost"

$(VENV)/ready: pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/ready
	@$(BIN)/budstikke demo $(if $(STAY),--stay)

demo-fiks: $(VENV)/ready
	@$(BIN)/budstikke demo --fiks

test: $(VENV)/ready
	$(BIN)/python -m pytest -m quiet
	$(BIN)/python -m pytest -m "not quiet" --numprocesses $(JOBS) --dist worksteal

lint: $(VENV)/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" .ci/run quick

bench: $(VENV)/ready
	$(BIN)/python -m bench

kills: $(VENV)/ready
	$(BIN)/python -m tests.acceptance.kills --count $(N)

clean:
	rm -rf $(VENV) var
