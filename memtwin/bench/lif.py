"""Benchmarks of the LIF networks on MNIST: accuracy, clocks, area and Fmax, beside the peers' published figures.

Clocks are those of the gateware under Verilator, from one image to the next, each written over the configuration bus
before it is shown. Images per second are at the Fmax of place and route, of the design `mnist` with the pins of a
board; the median of three placements.
"""

import dataclasses
import re
from pathlib import Path
from statistics import median
from typing import Any

from memtwin import designs
from memtwin.boards.build import SEEDS, TooSlow, build_top
from memtwin.boards.registry import Board
from memtwin.boards.top import BoardTop
from memtwin.boards.twins import TWINS
from memtwin.nir.nir_io import read_nir, write_nir
from memtwin.sim import backends
from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.base import Settings
from memtwin.sim.recording import Recording
from memtwin.train.data import load_mnist
from memtwin.train.mnist import NETWORK, Mnist
from memtwin.train.train import settings_of, train

__all__ = ["IMAGES", "area", "count", "gateware", "job_of", "networks", "speed"]

IMAGES = 1000  # that the gateware and the model are compared on

_HIDDEN = "784x128x10"
_EXPERIMENT = Mnist()


def networks(out: Path, file: Path | None = None) -> dict[str, str]:
    """Return networks by name, as files or names of shipped ones; the one with a hidden layer is trained if need be.

    Parameters
    ----------
    out : Path
        Directory that keeps it.
    file : Path, optional
        A file of it, instead.

    Raises
    ------
    InputError
        If there is no MNIST to train with.
    """
    if file is None:
        file = out / f"mnist-{_HIDDEN}.nir"
        settings = settings_of(_HIDDEN)
        if not _is_kept(file, dataclasses.asdict(settings)):
            write_nir(train(load_mnist("train"), settings), file)
    return {"784x10": NETWORK, _HIDDEN: str(file)}


def _is_kept(file: Path, training: dict[str, Any]) -> bool:
    """Whether a file is of the same training."""
    try:
        return read_nir(file).notes.get("training") == training
    except InputError:
        return False


def gateware(net: str, *, images: int = 10000, compared: int = IMAGES) -> dict[str, Any]:
    """Try a network on the model, and compare the gateware with it, every word of every step.

    Parameters
    ----------
    net : str
        Network, as option `net` of the experiment.
    images, compared : int
        Test images that the model answers, and, from the first on, those that the gateware answers, too.

    Returns
    -------
    dict
        ``accuracy``, ``images``, ``compared``, ``equal`` (every spike and membrane of every step, and every answer),
        ``words``, ``clocks_per_image``, ``sops_per_image``, ``sops_per_clock``.
    """
    job = job_of(net, images)
    accuracy = _results(net, job, backends.run(job, "model"))["accuracy"]
    job = dataclasses.replace(job_of(net, compared), record=True)
    model, rtl = (backends.run(job, backend) for backend in ("model", "rtl"))
    found, results = compare(job, model, rtl), _results(net, job, rtl)
    return {
        "accuracy": accuracy,
        "images": images,
        "compared": compared,
        "equal": found["equal"],
        "words": found["words"],
        **{name: results[name] for name in ("clocks_per_image", "sops_per_image", "sops_per_clock")},
    }


def job_of(net: str, images: int) -> backends.Job:
    """Return the run of the experiment `mnist` with so many test images."""
    return _EXPERIMENT.plan(_settings(net, images))["test"]


def _settings(net: str, images: int) -> Settings:
    return _EXPERIMENT.settings(assignments=(f"net={net}", f"images={images}"))


def _results(net: str, job: backends.Job, recording: Recording) -> dict[str, Any]:
    return _EXPERIMENT.analyse(_settings(net, job.shown.presentations), {"test": job}, {"test": recording})


def area(net: str, board: Board, out: Path) -> dict[str, Any]:
    """Place the design `mnist` with a network on a board, once for each seed.

    Returns
    -------
    dict
        ``cells`` (`count`), ``utilisation`` of place and route, and ``fmax_hz`` of every seed, also of those that miss
        ``clock_hz``, the clock of the board.

    Raises
    ------
    ToolError
        If it does not fit, or a tool fails.
    """
    content = designs.board_content("mnist", designs.Changes(assignments=(f"net={net}",)))
    fmax, used = [], {}
    for seed in SEEDS:
        top = BoardTop(board, TWINS["mnist"](content, round(board.clock_hz)))
        try:
            report = build_top(top, board, "mnist", out, seeds=(seed,))
        except TooSlow as error:
            report = vars(error)
        fmax.append(report["fmax_hz"])
        used = report["utilisation"]
    log = out / f"mnist-{board.name}.synthesis.log"
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return {"fmax_hz": fmax, "clock_hz": board.clock_hz, "utilisation": used, "cells": count(used, text)}


def count(utilisation: dict[str, list[int]], synthesis: str) -> dict[str, int]:
    """Return how many LUT, FF, RAM and DSP a design takes.

    Place and route of an iCE40 counts logic cells only, LC, each a LUT, a flip-flop or both; what they are is in the
    statistics at the end of the report of synthesis. On an ECP5 its count is larger than that of synthesis: carry
    chains are LUT, too.
    """
    made = {cell: int(number) for number, cell in re.findall(r"^ +(\d+) +(\w+)$", synthesis, re.MULTILINE)}
    used = {cell: number for cell, (number, _) in utilisation.items()}
    if "ICESTORM_LC" in used:
        flip_flops = sum(number for cell, number in made.items() if cell.startswith("SB_DFF"))
        found = {"LC": used["ICESTORM_LC"], "LUT": made.get("SB_LUT4", 0), "FF": flip_flops}
        names = {"RAM": "ICESTORM_RAM", "DSP": "ICESTORM_DSP"}
    else:
        found = {}
        names = {"LUT": "TRELLIS_COMB", "FF": "TRELLIS_FF", "RAM": "DP16KD", "DSP": "MULT18X18D"}
    return found | {name: used.get(cell, 0) for name, cell in names.items()}


def speed(measured: dict[str, Any], placed: dict[str, Any]) -> dict[str, float]:
    """Return images per second, us per image and synaptic operations per second at the median Fmax."""
    hz = median(placed["fmax_hz"])
    return {
        "fmax_hz": hz,
        "images_per_s": hz / measured["clocks_per_image"],
        "us_per_image": 1e6 * measured["clocks_per_image"] / hz,
        "sops_per_s": hz * measured["sops_per_clock"],
    }
