"""Commands on twins: ``memtwin serve`` runs a virtual board, ``memtwin connect`` talks to a twin."""

import dataclasses
import json
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from memtwin.cli import own
from memtwin.cli.options import MOST_BAUD, Asked, Clipping, Design, Json, MapFile, Seed, asking
from memtwin.console import notice, print_json, print_line, progress, warn
from memtwin.link import BAUD, Link, Snapshot
from memtwin.sim.units import format_si

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to those of ``memtwin``."""
    app.command("serve")(serve)
    app.command("connect")(connect)


@asking
def serve(
    design: Design,
    asked: Asked,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="TCP port; 0 chooses a free one.")] = 0,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; this machine alone by default.")
    ] = "127.0.0.1",
    seed: Seed = 0,
    bits: own.Bits = None,
    allow_clipping: Clipping = False,
    as_json: Json = False,
) -> None:
    """Run a design, or a network file, as a virtual board: its gateware behind a TCP port that speaks its bytes."""
    chosen = own.design_of(design, asked, seed=seed, allow_clipping=allow_clipping, bits=bits)
    warn(chosen.warnings)
    from memtwin.serve import build, serving

    with progress(f"compiling {chosen.name}"):
        built = build(chosen)
    with serving(built.program, host=host, port=port, log=notice) as (server, _):
        told = json.dumps({"port": server.port, "design": chosen.name, "map": str(built.map_path)})
        print(told if as_json else server.url, flush=True)  # whoever started this reads it from a pipe
        notice(f"{chosen.name} is served until Ctrl-C; its map is {built.map_path}")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: server.stop())
        server.run()
        notice("stopped")


def connect(
    port: Annotated[str, typer.Option("--port", help="Serial port, or socket://HOST:NUMBER of memtwin serve.")],
    baud: Annotated[int, typer.Option("--baud", min=1, max=MOST_BAUD, help="Baud rate of a serial port.")] = BAUD,
    map_file: MapFile = None,
    restore: Annotated[Path | None, typer.Option("--restore", help="Snapshot to go on from.")] = None,
    snapshot: Annotated[Path | None, typer.Option("--snapshot", help="File for what the network remembers.")] = None,
    counters: Annotated[bool, typer.Option("--counters", help="Show the counters of errors alone.")] = False,
    as_json: Json = False,
) -> None:
    """Ask a twin what it is and how it fares; save and restore what its network remembers."""
    with Link(port, baud=baud, map=map_file) as link:
        if restore is not None:
            link.restore(Snapshot.load(restore))
            notice(f"goes on from {restore}")
        if snapshot is not None:
            link.snapshot().save(snapshot)
            notice(f"wrote {snapshot}")
        found: dict[str, Any] = link.counters()
        if not counters:
            found = {
                "port": port,
                "design": link.map.design,
                "network": link.map.network,
                **dataclasses.asdict(link.identity),
                **dataclasses.asdict(link.status()),
                "counters": found,
            }
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if name == "counters":
            for counter, count in value.items():
                print_line(f"counters.{counter}  {count}")
        else:
            print_line(f"{name}  {format_si(value, 'Hz') if name == 'clock_hz' else value}")
