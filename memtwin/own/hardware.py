"""Networks of one's own as Verilog, and as a bitstream that a host drives over the board's serial port."""

import os
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from memtwin.designs import HOST_USE
from memtwin.hdl.port.host import HostPort
from memtwin.header import WIDTH, interface, written
from memtwin.link.design_maps import design_map
from memtwin.link.maps import write_map
from memtwin.own.network import Network, job_of
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.engines import gateware
from memtwin.sim.files import write_whole
from memtwin.sim.run_warnings import warnings_of_jobs

__all__ = ["build", "text_of", "verilog", "write_map_of"]


def verilog(
    network: Network,
    path: str | os.PathLike[str] | None = None,
    *,
    seed: int = 0,
    allow_clipping: bool = False,
) -> str:
    """Return the Verilog of a network, with the devices of a seed, and write it to a file if a path is given.

    Raises
    ------
    InputError
        If a value does not fit its word, or the file cannot be written.
    """
    job = job_of(network, seed=seed, allow_clipping=allow_clipping)
    coefficients = job.coefficients()
    text = text_of(network, coefficients, gateware.host_of(job, coefficients))
    if path is not None:
        write_whole(path, text.encode())
    return text


def text_of(network: Network, coefficients: Sequence[LayerCoefficients], host: HostPort) -> str:
    """Return the Verilog of the gateware of a network."""
    return written(_header(network, coefficients, host), host, _module(network.name))


def build(
    network: Network,
    board: str,
    out: str | os.PathLike[str] = "out",
    *,
    seed: int = 0,
    allow_clipping: bool = False,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Build the bitstream of a network for a board, with the link to a host; see `memtwin.boards.build.build_linked`.

    Raises
    ------
    InputError
        If the board is unknown, a value does not fit its word, or a tool is missing.
    DoesNotFit, TooSlow, ToolError
        See `memtwin.boards.build.build`.
    """
    from memtwin.build.bitstreams import board_build, to_stderr

    job = job_of(network, seed=seed, allow_clipping=allow_clipping)
    name = _module(network.name).replace("_", "-")
    warnings = warnings_of_jobs([(network.name, job)], "rtl")

    def linked(traces: bool) -> tuple[HostPort, Mapping[str, object]]:
        host = gateware.host_of(job, job.coefficients())
        return host, design_map(name, host, traces=traces)

    return {**board_build.build_linked(name, board, out, linked, say=say or to_stderr), "warnings": warnings}


def write_map_of(network: Network, host: HostPort, result: Path) -> Path:
    """Write the map of the addresses beside the Verilog of a network; returns its path."""
    return write_map(design_map(_module(network.name), host, traces=True), result.with_suffix(".map.json"))


def _module(name: str) -> str:
    """Name of the top module: letters, digits and underscores, a letter first."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return plain if re.match("[A-Za-z]", plain) else f"network_{plain}"


def _header(network: Network, coefficients: Sequence[LayerCoefficients], host: HostPort) -> list[str]:
    """Describe the network in the lines of a comment."""
    sizes = " x ".join(str(number) for number in (network.inputs, *(layer.neurons for layer in network.layers)))
    lines = [f"memtwin, network {network.name}: {network.kind} neurons, {sizes}", ""]
    lines += textwrap.wrap(" ".join(HOST_USE.split()), WIDTH)
    for name, own, layer in zip(network.names, coefficients, network.layers, strict=True):
        structure = ", ".join(f"{key} {value}" for key, value in own.structure.items())
        lines += ["", f"Layer {name}: {structure}", *_options(layer)]
    lines += ["", "Coefficients after reset are those of", *_options(network.circuit)]
    return [*lines, "", *interface(host, host.network.memory_map)]


def _options(options: Any) -> list[str]:
    """Say what options are."""
    shown = ", ".join(f"{name} {text}" for name, text in options.told())
    return textwrap.wrap(shown, WIDTH, initial_indent="  ", subsequent_indent="    ")
