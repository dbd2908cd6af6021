"""From a design to a bitstream: synthesis, place and route, timing check, report."""

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from amaranth.hdl import Elaboratable

from memtwin.boards.content import BoardContent
from memtwin.boards.link_top import LinkTop, streams_traces
from memtwin.boards.registry import Board
from memtwin.boards.registry import board as find_board
from memtwin.boards.tools import ToolError, find_tool, run_tool
from memtwin.boards.top import BoardTop
from memtwin.boards.twins import TWINS
from memtwin.hdl.port.host import HostPort
from memtwin.sim.errors import InputError
from memtwin.sim.files import read_text, whole, write_whole
from memtwin.sim.parsers import parse_json
from memtwin.sim.scratch import scratch

__all__ = ["SEEDS", "DoesNotFit", "TooSlow", "build", "build_linked", "build_top"]

# Placement starts from a random number; the first of these that meets the timing is taken. Fixed, so that the same
# design gives the same bits.
SEEDS = (1, 2, 3)

_SUFFIX = {"ice40": ".bin", "ecp5": ".bit", "gowin": ".fs"}
# Memories that say so in their attributes need no logic for a read in the clock of a write to the same word. Yosys
# looks at the attribute only where it makes the read port itself, which Amaranth has done already.
_MEMORIES = (
    "proc; memory_collect; setparam -set RD_COLLISION_X_MASK 1'1 "
    "t:$mem_v2 a:no_rw_check %i r:RD_PORTS=1 %i r:WR_PORTS=1 %i"
)
_FEW = 500  # cells of a kind, such as memories and pins: that all are taken does not keep others from their places
_COUNT = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", re.MULTILINE)  # a kind of cells: used, there
_LARGEST_REPORT = 2**20  # bytes
_SEED = "SEED"  # stands for the seed in the command line


class TooSlow(ToolError):  # noqa: N818 - says what is the matter
    """No placement meets the clock of the board.

    Attributes
    ----------
    fmax_hz : float
        What the last one reached.
    utilisation : dict
        See `build_top`.
    """

    def __init__(self, message: str, fmax_hz: float, utilisation: dict[str, list[int]]) -> None:
        super().__init__(message)
        self.fmax_hz = fmax_hz
        self.utilisation = utilisation


class DoesNotFit(ToolError):  # noqa: N818 - as above
    """A chip is too small for a design.

    Attributes
    ----------
    needs : dict of str to list of int
        Cells that the design needs and cells that the chip has, of those it has too few of, or of the fullest kind if
        no placement was found.
    """

    def __init__(self, message: str, needs: dict[str, list[int]]) -> None:
        super().__init__(message)
        self.needs = needs


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def build(
    design: str,
    board: str,
    out_dir: str | os.PathLike[str],
    content: BoardContent,
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
    content : BoardContent
        Structure and coefficients of the design: quantising is not for this package.
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
    DoesNotFit
        If the chip is too small; the message says by how much.
    TooSlow
        If no placement meets the timing.
    ToolError
        If a tool fails.
    """
    target = find_board(board)
    if design not in TWINS:
        raise InputError(f"design {design}: cannot be built for a board; expected one of {', '.join(TWINS)}")
    twin = TWINS[design](content, round(target.clock_hz))
    return build_top(BoardTop(target, twin), target, design, out_dir, reuse=reuse, say=say)


def build_linked(
    design: str,
    board: str,
    out_dir: str | os.PathLike[str],
    network: Callable[[bool], tuple[HostPort, Mapping[str, object]]],
    *,
    reuse: bool = False,
    say: Callable[[str], None] = _to_stderr,
) -> dict:
    """Build the bitstream of a network that a host drives over the serial port of a board (docs/link.md).

    Parameters
    ----------
    design, board : str
        Name of the design, for the file names; name of the board.
    out_dir : path
        Folder of the results, see `build_top`.
    network : callable
        Returns the network, and its map (docs/link.md, section 6); its argument says whether trace words are streamed.
    reuse, say
        See `build_top`.

    Returns
    -------
    dict
        See `build_top`.

    Raises
    ------
    InputError, DoesNotFit, TooSlow, ToolError
        As in `build`.
    """
    target = find_board(board)
    host, memory_map = network(streams_traces(target))
    digests = {name: bytes.fromhex(str(memory_map[name])) for name in ("map_digest", "design_digest")}
    top = LinkTop(target, host, **digests)
    return build_top(top, target, design, out_dir, memory_map=memory_map, reuse=reuse, say=say)


def build_top(
    top: Elaboratable,
    board: Board,
    design: str,
    out_dir: str | os.PathLike[str],
    *,
    memory_map: Mapping[str, object] | None = None,
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
        what is returned, ``.synthesis.log`` and ``.place.log`` are what the tools said; ``.map.json`` is the map.
    memory_map : mapping, optional
        Map of a design that a host drives.
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
        ``sha256`` (of the bitstream and of the map, by file name), ``bitstream`` (path), ``link`` (a host drives it),
        ``map`` (path, or nothing).

    Raises
    ------
    InputError
        If a tool is missing, or `out_dir` cannot be written.
    DoesNotFit
        If the chip is too small; the message says by how much.
    TooSlow
        If no placement meets the timing.
    ToolError
        If a tool fails.
    """
    plan = board.platform().prepare(
        top,
        name="top",
        script_after_read=_MEMORIES,
        synth_opts=board.silicon.synthesis,
        nextpnr_opts=f"--seed {_SEED} --report report.json --timing-allow-fail",
        emit_src=False,
    )
    out = Path(out_dir)
    stem = f"{design}-{board.name}"
    suffix = _SUFFIX[board.family]
    digest = plan.digest(size=16).hex()
    bitstream = out / (stem + suffix)
    map_file = out / f"{stem}.map.json"
    where = {
        "bitstream": str(bitstream),
        "link": memory_map is not None,
        "map": None if memory_map is None else str(map_file),
    }
    files = [bitstream] if memory_map is None else [bitstream, map_file]
    if reuse and (kept := _kept(out / f"{stem}.json", digest, files)) is not None:
        say(f"{bitstream} is up to date")
        return kept | where
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"folder {out}: cannot be made ({error.strerror})") from None

    # What a platform adds after the packer is for other loaders than ours.
    synthesis, place, pack = json.loads(plan.files["build_top.json"])["commands"][:3]
    if board.family == "gowin":
        place = _himbaechel(place, board.clock_hz)
    (yosys, nextpnr, packer) = tools = [find_tool(command[0]) for command in (synthesis, place, pack)]
    if any(Path(tool[-1]).name.startswith("yowasp") for tool in tools):
        say("the first use of each tool compiles it, which takes a few minutes")

    with scratch() as folder:
        plan.extract(folder)
        say(f"synthesis of {design} for {board.title}")
        run_tool([*yosys, *synthesis[1:]], folder)
        for seed in seeds:
            say(f"place and route, seed {seed}")
            try:
                run_tool([*nextpnr, *(str(seed) if part == _SEED else part for part in place[1:])], folder)
            except ToolError:
                if needs := _lacking(folder / "top.tim"):
                    listed = ", ".join(f"{n} of {of} {cell} ({n - of} too many)" for cell, (n, of) in needs.items())
                    message = f"design {design} does not fit {board.name}: it needs {listed}"
                    raise DoesNotFit(message, needs) from None
                if crowded := _crowded(folder / "top.tim"):
                    listed = ", ".join(f"{n} of {of} {cell}" for cell, (n, of) in crowded.items())
                    message = f"design {design} does not fit {board.name}: no placement was found with {listed}"
                    raise DoesNotFit(message, crowded) from None
                raise
            timing = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            fmax_hz, used = _fmax(timing), _utilisation(timing)
            if fmax_hz >= board.clock_hz:
                break
            say(f"too slow: {fmax_hz / 1e6:.2f} MHz of {board.clock_hz / 1e6:.2f} MHz")
        else:
            raise TooSlow(
                f"design {design} reaches {fmax_hz / 1e6:.2f} MHz on {board.name}, less than the "
                f"{board.clock_hz / 1e6:.2f} MHz that it must run at; its longest path is {_longest_path(timing)}",
                fmax_hz,
                used,
            )
        say("bitstream")
        run_tool([*packer, *pack[1:]], folder)

        results = {
            ".synthesis.log": folder / "top.rpt",
            ".place.log": folder / "top.tim",
            suffix: folder / f"top{suffix}",
        }
        if memory_map is None:
            # That of an earlier build would be of another design.
            map_file.unlink(missing_ok=True)
        else:
            results[".map.json"] = folder / "map.json"
            results[".map.json"].write_text(json.dumps(memory_map, indent=1) + "\n", encoding="utf-8")
        for ending, made in results.items():
            with whole(out / (stem + ending)) as partial:
                shutil.copyfile(made, partial)
        result = {
            "design": design,
            "board": board.name,
            "fmax_hz": fmax_hz,
            "clock_hz": board.clock_hz,
            "utilisation": used,
            "seed": seed,
            "digest": digest,
            "sha256": {file.name: _sha256(file) for file in files},
            **where,
        }
        # The report comes last: what it holds the checksums of is whole.
        write_whole(out / f"{stem}.json", (json.dumps(result, indent=2) + "\n").encode())
    return result


def _himbaechel(command: list[str], clock_hz: float) -> list[str]:
    """Turn a command line for nextpnr-gowin into one for what has taken its place."""
    _, *words = command
    for option in ("family", "cst"):
        at = words.index(f"--{option}")
        words[at : at + 2] = ["--vopt", f"{option}={words[at + 1]}"]
    return ["nextpnr-himbaechel-gowin", *words, "--freq", f"{clock_hz / 1e6:g}"]


def _crowded(log: Path) -> dict[str, list[int]]:
    """Return the fullest kind of cells, of which a chip has many, if place and route found no legal placement."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    if "Unable to find legal placement" not in text:
        return {}
    counts = {cell: [int(used), int(most)] for cell, used, most in _COUNT.findall(text) if int(most) > _FEW}
    fullest = max(counts, key=lambda cell: counts[cell][0] / counts[cell][1], default=None)
    return {} if fullest is None else {fullest: counts[fullest]}


def _lacking(log: Path) -> dict[str, list[int]]:
    """List the cells of which place and route found too few, from what it wrote: needed, there."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    counts = _COUNT.findall(text)
    # Some cells that do not exist as such are listed as used of 0.
    found = {cell: [int(used), int(most)] for cell, used, most in counts if int(used) > int(most) > 0}
    for cell in re.findall(r"^ERROR: (\w+) '.*' couldn't be placed anywhere", text, re.MULTILINE):
        found[cell] = [1, 0]
    return found


def _kept(report: Path, digest: str, files: Sequence[Path]) -> dict | None:
    """Return the report of an earlier build if it is of the same design, and `files` are what it made."""
    try:
        kept = parse_json(read_text(report, str(report), _LARGEST_REPORT), str(report), "a report of a build")
        is_same = kept["digest"] == digest and kept["sha256"] == {file.name: _sha256(file) for file in files}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kept if is_same else None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _utilisation(timing: dict) -> dict[str, list[int]]:
    return {cell: [count["used"], count["available"]] for cell, count in timing["utilization"].items()}


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
