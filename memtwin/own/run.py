"""Runs and compares networks of one's own."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from memtwin.levels import Levels, Report
from memtwin.own.network import Network, demand_network
from memtwin.own.simulation import Simulation
from memtwin.sim.compare import compare as compare_recordings
from memtwin.sim.errors import InputError
from memtwin.sim.run_warnings import warnings_of_jobs, warnings_of_recordings
from memtwin.states import check_saved, load_states, save_states

__all__ = ["compare_network", "simulate"]

_RUN = "network"  # what the only run is called in a file of states, whatever the file of the network is called


def simulate(
    network: Network,
    spikes: Any = None,
    backend: str = "model",
    *,
    trials: int = 1,
    seed: int = 0,
    record: bool = True,
    allow_clipping: bool = False,
    port: str | None = None,
    baud: int | None = None,
    map_file: str | os.PathLike[str] | None = None,
    start: str | os.PathLike[str] | None = None,
    save: str | os.PathLike[str] | None = None,
    report: Report | None = None,
) -> Simulation:
    """Run a network on one backend.

    Parameters
    ----------
    network : Network
        Network.
    spikes
        What it is shown: an array (T, inputs) with the number of spikes in each step, or (trials, T, inputs); a list of
        (time in s, address); or `mt.poisson`, `mt.regular`, `mt.program`, `mt.events`, `mt.load_spikes`.
        Without it the input that its file says.
    backend : str
        ``"physics"``, ``"model"``, ``"rtl"``, ``"netlist"``, ``"ngspice"``.
    trials, seed : int
        Trial `t` has the devices and the Poisson spikes of seed `seed + t`.
    record : bool
        Keep events, traces and words; without it counts and conductances alone, which takes less memory.
    allow_clipping : bool
        Run with coefficients that do not fit their words, clipped; else they are refused.
    port, baud, map_file
        Of ``"board"``: where the twin is, and the map that was written with its bitstream; see `memtwin.api.run`.
    start, save : path, optional
        File of the state to start from, and file for that at the end, on backends with words.
    report : callable, optional
        Called with the name of the network and the part of the run that is done.

    Raises
    ------
    InputError
        If spikes, network and backend do not fit together, or a value does not fit its word.
    """
    demand_network(network)
    levels = Levels(backend, port=port, baud=baud, map_file=map_file, maps=lambda: _maps(network, seed))
    job = network.job(spikes, trials=trials, seed=seed, record=record, allow_clipping=allow_clipping)
    if save is not None:
        check_saved({_RUN: job}, backend)
    if start is not None:
        job = load_states(start, {_RUN: job})[_RUN]
    job = levels.solvable(job)
    levels.check({network.name: job})
    warnings = [*network.notes, *warnings_of_jobs([(network.name, job)], backend)]
    recording = levels.run({network.name: job}, backend, report)[network.name]
    if save is not None:
        save_states(save, {_RUN: job}, {_RUN: recording})
    return Simulation(network, job, recording, [*warnings, *warnings_of_recordings([(network.name, recording)])])


def compare_network(
    network: Network,
    spikes: Any,
    first: str,
    second: str,
    *,
    trials: int = 1,
    seed: int = 0,
    allow_clipping: bool = False,
    port: str | None = None,
    baud: int | None = None,
    map_file: str | os.PathLike[str] | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Run a network on two backends and compare the recordings; parameters as in `simulate`.

    Returns
    -------
    dict
        As `memtwin.sim.compare.compare`; ``backends``, ``seed`` and ``warnings`` beside it.

    Raises
    ------
    InputError
        As in `simulate`.
    """
    demand_network(network)
    if first == second:
        raise InputError(f"compare: expected two backends that differ, not {first} and {second}")
    levels = Levels(first, second, port=port, baud=baud, map_file=map_file, maps=lambda: _maps(network, seed))
    job = levels.solvable(network.job(spikes, trials=trials, seed=seed, allow_clipping=allow_clipping))
    levels.check({network.name: job})
    warnings = [*network.notes, *warnings_of_jobs([(network.name, job)], first, second)]
    a, b = (levels.run({backend: job}, backend, report)[backend] for backend in (first, second))
    warnings += warnings_of_recordings([(network.name, a), (network.name, b)])
    found = {"network": network.name, "backends": [first, second], "seed": seed, **compare_recordings(job, a, b)}
    return {**found, "warnings": list(dict.fromkeys(warnings))}


def _maps(network: Network, seed: int) -> Iterator[Mapping[str, Any]]:
    """Make the maps that a twin of the network may have, then those of the designs that are shipped."""
    from memtwin.link.design_maps import maps_of, shipped_maps  # now, for they take the gateware along
    from memtwin.own.design import OwnDesign

    yield from maps_of(OwnDesign(network, seed=seed, allow_clipping=True))
    yield from shipped_maps()
