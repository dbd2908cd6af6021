# Two commands matter: `make run` does the main job on a fresh machine, `make test` proves it. Neither needs root.
PYTHON ?= python3
VENV   ?= .venv
OUT    ?= out
BOARD  ?= icebreaker
DESIGN ?= digits
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.memtwin
ifneq ($(words [$(VENV)]),1)
$(error VENV: expected a path without spaces, which make cannot have as a target, not $(VENV))
endif
# A value as one word of the shell, whatever is in it. The checkout may lie anywhere: every other path is relative.
quoted = '$(subst ','\'',$(value $1))'
out    := $(call quoted,OUT)
design := $(call quoted,DESIGN)
board  := $(call quoted,BOARD)
python := $(call quoted,PYTHON)

.PHONY: help setup check run test mutants fuzz lint verilog bitstream flash bench clean

help:
	@echo "make run                        learn ten digits in the gateware: figures, waves and Verilog in $(OUT)/"
	@echo "make test                       all tests"
	@echo "make mutants [N=30] [SEED=0]    put N faults into each folder and count what the tests catch (an hour)"
	@echo "make soak [N=200] [SEED=0]      N random networks of every kind, gateware against model"
	@echo "make bounds [N=100] [SEED=0]    N random networks of every kind, model against physics"
	@echo "make fuzz    [N=1000]           read N damaged files of each format (20000: half an hour)"
	@echo "make lint                       ruff and mypy"
	@echo "make verilog   [DESIGN=digits]  Verilog of a design"
	@echo "make bitstream [DESIGN= BOARD=] bitstream for a board"
	@echo "make flash     [DESIGN= BOARD=] build if needed and program a board"
	@echo "make bench                      clocks, speed, area and Fmax, beside the peers' figures"
	@echo "make clean                      remove $(OUT)/ and $(VENV)/"

# What pip cannot bring: the C++ compiler of the simulator, and venv itself.
check:
	@missing=""; \
	for tool in g++ make perl $(python); do command -v "$$tool" >/dev/null 2>&1 || missing="$$missing $$tool"; done; \
	$(python) -c "import ensurepip, venv" >/dev/null 2>&1 || missing="$$missing python3-venv"; \
	if [ -n "$$missing" ]; then \
	  echo "memtwin needs:$$missing. Install with: sudo apt-get install g++ make perl python3 python3-venv" >&2; exit 2; \
	fi
	@$(python) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	  { echo "memtwin needs Python 3.11 or newer; set PYTHON=python3.11 or so" >&2; exit 2; }

$(STAMP): pyproject.toml | check
	@test -x $(BIN)/python || $(python) -m venv $(VENV)
	@echo "Installing memtwin and its tools into $(VENV) (some hundred MB, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $@

setup: $(STAMP)

run: setup
	$(BIN)/python -m memtwin run digits --backend rtl -o $(out)/digits
	$(BIN)/python -m memtwin verilog digits -o $(out)/digits.v
	@echo "Figures and waves:" $(out)"/digits/   Verilog:" $(out)"/digits.v"

test: setup
	$(BIN)/python -m pytest -n 2 -m "not slow"

mutants: setup
	$(BIN)/python tests/mutants --count $(or $(N),30) --seed $(or $(SEED),0)

soak: setup
	$(BIN)/python -m tests.structures.soak --number $(or $(N),200) --seed $(or $(SEED),0) $(if $(KIND),--kind $(KIND))

bounds: setup
	$(BIN)/python -m tests.structures.bounds --number $(or $(N),100) --seed $(or $(SEED),0) $(if $(KIND),--kind $(KIND))

fuzz: setup
	$(BIN)/python -m tests.fuzz --count $(or $(N),1000) -o $(OUT)/fuzz

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# The package is put together from four folders; mypy sees it as links under one.
	@rm -rf $(VENV)/types && mkdir -p $(VENV)/types/memtwin
	@ln -s "$$(pwd)"/memtwin/* "$$(pwd)"/hdl "$$(pwd)"/sim "$$(pwd)"/boards $(VENV)/types/memtwin/
	cd $(VENV)/types && MYPYPATH=. ../bin/python -m mypy --config-file "$$OLDPWD/pyproject.toml" -p memtwin

verilog: setup
	$(BIN)/python -m memtwin verilog $(design) -o $(out)/$(design).v

bitstream: setup
	$(BIN)/python -m memtwin build $(design) --board $(board) -o $(out)

flash: setup
	$(BIN)/python -m memtwin flash $(design) --board $(board)

bench: setup
	$(BIN)/python -m memtwin.bench

clean:
	rm -rf $(out) $(VENV) build
