"""From a design to a bitstream: synthesis, place and route, timing check, report."""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from amaranth.hdl import Elaboratable

from memtwin.boards.image import BoardImage
from memtwin.boards.registry import Board
from memtwin.boards.registry import board as find_board
from memtwin.boards.tools import ToolError, find_tool, run_tool
from memtwin.boards.top import BoardTop
from memtwin.boards.twins import TWINS
from memtwin.sim.errors import InputError

__all__ = ["SEEDS", "build", "build_top"]

# Placement starts from a random number; the first of these that meets the timing is taken. Fixed, so that the same
# design gives the same bits.
SEEDS = (1, 2, 3)

# Registered products become multipliers of the chip only if the iCE40 flow is told so; the ECP5 flow does it unasked.
_SYNTHESIS = {"ice40": "-dsp", "ecp5": ""}
_SUFFIX = {"ice40": ".bin", "ecp5": ".bit"}
# Memories that say so in their attributes need no logic for a read in the clock of a write to the same word. Yosys
# looks at the attribute only where it makes the read port itself, which Amaranth has done already.
_MEMORIES = (
    "proc; memory_collect; setparam -set RD_COLLISION_X_MASK 1'1 "
    "t:$mem_v2 a:no_rw_check %i r:RD_PORTS=1 %i r:WR_PORTS=1 %i"
)
_SEED = "SEED"  # stands for the seed in the command line


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def build(
    design: str,
    board: str,
    out_dir: str | os.PathLike[str],
    content: Callable[[str], BoardImage],
    *,
    reuse: bool = False,
    say: Callable[[str], None] = _to_stderr,
) -> dict:
    """Build the bitstream of a design for a board.

    Parameters
    ----------
    design, board : str
        Names, see `memtwin.boards.twins.TWINS` and `memtwin.boards.registry.BOARDS`.
    out_dir : path
        Folder of the results, see `build_top`.
    content : callable
        Returns structure and coefficients of a design by name: quantising is not for this package.
    reuse, say
        See `build_top`.

    Returns
    -------
    dict
        See `build_top`.

    Raises
    ------
    InputError
        If the design or the board is unknown, or a tool is missing.
    ToolError
        If a tool fails, the design does not fit, or no placement meets the timing.
    """
    target = find_board(board)
    if design not in TWINS:
        raise InputError(f"design {design}: cannot be built for a board; expected one of {', '.join(TWINS)}")
    twin = TWINS[design](content(design), round(target.clock_hz))
    return build_top(BoardTop(target, twin), target, design, out_dir, reuse=reuse, say=say)


def build_top(
    top: Elaboratable,
    board: Board,
    design: str,
    out_dir: str | os.PathLike[str],
    *,
    reuse: bool = False,
    say: Callable[[str], None] = _to_stderr,
    seeds: tuple[int, ...] = SEEDS,
) -> dict:
    """Build the bitstream of `top` for `board`.

    The tools run in a temporary folder; a build that fails leaves nothing in `out_dir`.

    Parameters
    ----------
    top : Elaboratable
        Design with its clock and its pins.
    board : Board
        Board.
    design : str
        Name of the design, for the file names.
    out_dir : path
        Folder of the results; it is made if need be. ``DESIGN-BOARD.bin`` or ``.bit`` is the bitstream, ``.json``
        what is returned, ``.synthesis.log`` and ``.place.log`` are what the tools said.
    reuse : bool
        If the folder holds the bitstream of the very same design, leave it.
    say : callable
        Is told what is being done, a line at a time.
    seeds : tuple of int
        Seeds of the placement to try.

    Returns
    -------
    dict
        ``design``, ``board``, ``fmax_hz`` (what place and route reached), ``clock_hz`` (what the design runs at),
        ``utilisation`` ({cell: [used, available]}), ``seed``, ``digest`` (of the design before synthesis),
        ``bitstream`` (path).

    Raises
    ------
    InputError
        If a tool is missing, or `out_dir` cannot be written.
    ToolError
        If a tool fails, the design does not fit, or no placement meets the timing.
    """
    plan = board.platform().build(
        top,
        name="top",
        do_build=False,
        script_after_read=_MEMORIES,
        synth_opts=_SYNTHESIS[board.family],
        nextpnr_opts=f"--seed {_SEED} --report report.json --timing-allow-fail",
        emit_src=False,
    )
    out = Path(out_dir)
    stem = f"{design}-{board.name}"
    suffix = _SUFFIX[board.family]
    digest = plan.digest(size=16).hex()
    bitstream = out / (stem + suffix)
    if reuse and bitstream.is_file() and (kept := _kept(out / f"{stem}.json", digest)) is not None:
        say(f"{bitstream} is up to date")
        return kept | {"bitstream": str(bitstream)}
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"folder {out}: cannot be made ({error.strerror})") from None

    commands = json.loads(plan.files["build_top.json"])["commands"]
    (synthesis, place, pack) = commands
    (yosys, nextpnr, packer) = tools = [find_tool(command[0]) for command in commands]
    if any(Path(tool).name.startswith("yowasp") for tool in tools):
        say("the first use of each tool compiles it, which takes a few minutes")

    with tempfile.TemporaryDirectory(prefix="memtwin-") as name:
        folder = Path(name)
        plan.extract(folder)
        say(f"synthesis of {design} for {board.title}")
        run_tool([yosys, *synthesis[1:]], folder)
        for seed in seeds:
            say(f"place and route, seed {seed}")
            try:
                run_tool([nextpnr, *(str(seed) if part == _SEED else part for part in place[1:])], folder)
            except ToolError:
                if lacking := _lacking(folder / "top.tim"):
                    raise ToolError(f"design {design} does not fit {board.name}: it needs {lacking}") from None
                raise
            timing = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            fmax_hz = _fmax(timing)
            if fmax_hz >= board.clock_hz:
                break
            say(f"too slow: {fmax_hz / 1e6:.2f} MHz of {board.clock_hz / 1e6:.2f} MHz")
        else:
            raise ToolError(
                f"design {design} reaches {fmax_hz / 1e6:.2f} MHz on {board.name}, less than the "
                f"{board.clock_hz / 1e6:.2f} MHz that it must run at; its longest path is {_longest_path(timing)}"
            )
        say("bitstream")
        run_tool([packer, *pack[1:]], folder)

        result = {
            "design": design,
            "board": board.name,
            "fmax_hz": fmax_hz,
            "clock_hz": board.clock_hz,
            "utilisation": {cell: [count["used"], count["available"]] for cell, count in timing["utilization"].items()},
            "seed": seed,
            "digest": digest,
            "bitstream": str(bitstream),
        }
        (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        # The report comes last: where it is, the rest is whole.
        for made, ending in (
            ("top.rpt", ".synthesis.log"),
            ("top.tim", ".place.log"),
            (f"top{suffix}", suffix),
            ("result.json", ".json"),
        ):
            partial = out / f".{stem}{ending}.part"
            shutil.copyfile(folder / made, partial)
            partial.replace(out / (stem + ending))
    return result


def _lacking(log: Path) -> str:
    """List the cells of which place and route found too few, from what it wrote; empty if there are enough."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    counts = re.findall(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", text, re.MULTILINE)
    return ", ".join(f"{used} of {most} {cell}" for cell, used, most in counts if int(used) > int(most))


def _kept(report: Path, digest: str) -> dict | None:
    """Return the report of an earlier build if it is of the same design."""
    try:
        kept = json.loads(report.read_text(encoding="utf-8"))
        return kept if kept["digest"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fmax(timing: dict) -> float:
    """Return the lowest frequency that place and route reached for a clock of the design, Hz."""
    return 1e6 * min(clock["achieved"] for clock in timing["fmax"].values())


def _longest_path(timing: dict) -> str:
    """Name the ends of the longest path within a clock domain."""
    paths = [path["path"] for path in timing["critical_paths"] if path["from"] == path["to"]]
    path = max(paths, key=lambda steps: sum(step["delay"] for step in steps), default=None)
    if path is None:
        return "unknown"
    ends = (path[0]["from"]["cell"], path[-1]["to"]["cell"])
    # Names of cells are those of the signals, with what the tools put behind them.
    return " to ".join(re.sub(r"_(SB|TRELLIS|LUT|PFUMX|L6MUX|CCU2C|DP16KD)_?.*", "", end) for end in ends)
