# Two commands matter: `make run` does the main job on a fresh machine, `make test` proves it. Neither needs root.
PYTHON ?= python3
VENV   ?= .venv
OUT    ?= out
BOARD  ?= icebreaker
DESIGN ?= digits
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.memtwin

.PHONY: help setup check run test mutants fuzz lint verilog bitstream flash bench clean

help:
	@echo "make run                        learn ten digits in the gateware: figures, waves and Verilog in $(OUT)/"
	@echo "make test                       all tests"
	@echo "make mutants [N=30] [SEED=0]    put N faults into each folder and count what the tests catch (an hour)"
	@echo "make soak [N=200] [SEED=0]      N random networks of every kind, gateware against model"
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
	for tool in g++ make perl $(PYTHON); do command -v $$tool >/dev/null 2>&1 || missing="$$missing $$tool"; done; \
	$(PYTHON) -c "import ensurepip, venv" >/dev/null 2>&1 || missing="$$missing python3-venv"; \
	if [ -n "$$missing" ]; then \
	  echo "memtwin needs:$$missing. Install with: sudo apt-get install g++ make perl python3 python3-venv" >&2; exit 2; \
	fi
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	  { echo "memtwin needs Python 3.11 or newer; set PYTHON=python3.11 or so" >&2; exit 2; }

$(STAMP): pyproject.toml | check
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing memtwin and its tools into $(VENV) (some hundred MB, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $@

setup: $(STAMP)

run: setup
	$(BIN)/memtwin run digits --backend rtl -o $(OUT)/digits
	$(BIN)/memtwin verilog digits -o $(OUT)/digits.v
	@echo "Figures and waves: $(OUT)/digits/   Verilog: $(OUT)/digits.v"

test: setup
	$(BIN)/python -m pytest -n 2 -m "not slow"

mutants: setup
	$(BIN)/python tests/mutants --count $(or $(N),30) --seed $(or $(SEED),0)

soak: setup
	$(BIN)/python -m tests.structures.soak --number $(or $(N),200) --seed $(or $(SEED),0) $(if $(KIND),--kind $(KIND))

fuzz: setup
	$(BIN)/python -m tests.fuzz --count $(or $(N),1000) -o $(OUT)/fuzz

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# The package is put together from four folders; mypy sees it as links under one.
	@rm -rf $(VENV)/types && mkdir -p $(VENV)/types/memtwin
	@ln -s $(CURDIR)/memtwin/* $(CURDIR)/hdl $(CURDIR)/sim $(CURDIR)/boards $(VENV)/types/memtwin/
	cd $(VENV)/types && MYPYPATH=. $(abspath $(BIN))/mypy --config-file $(CURDIR)/pyproject.toml -p memtwin

verilog: setup
	$(BIN)/memtwin verilog $(DESIGN) -o $(OUT)/$(DESIGN).v

bitstream: setup
	$(BIN)/memtwin build $(DESIGN) --board $(BOARD) -o $(OUT)

flash: setup
	$(BIN)/memtwin flash $(DESIGN) --board $(BOARD)

bench: setup
	$(BIN)/python -m memtwin.bench

clean:
	rm -rf $(OUT) $(VENV) build
