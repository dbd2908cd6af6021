"""One call runs a program on any backend (docs/design.md)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from memtwin.sim.coefficients import LayerCoefficients, reports_of
from memtwin.sim.errors import InputError
from memtwin.sim.extras import extra_for
from memtwin.sim.kinds import kind_of
from memtwin.sim.quantised import refuse_clipped
from memtwin.sim.recording import Recording
from memtwin.sim.state import State

__all__ = ["BACKENDS", "FLOATING", "ON_WORDS", "Job", "Progress", "check", "run", "run_all"]

BACKENDS = ("physics", "model", "rtl", "netlist", "ngspice")
ON_WORDS = ("model", "rtl", "netlist")
"""Those on the words of the gateware, which leave a state."""
FLOATING = ("physics", "ngspice")
"""Those in floating point: nothing is quantised."""

Progress = Callable[[float], None]  # called with the part done, 0 to 1


class Described(Protocol):
    """A network of any kind, as far as all kinds are alike."""

    kind: ClassVar[str]

    @property
    def keeps_state(self) -> bool:
        """What it keeps from one presentation to the next is within reach (docs/link.md, section 5)."""

    def sample(self, *, trials: int, seed: int) -> list[Any]:
        """Draw the devices of every layer for every trial."""


class Presented(Protocol):
    """What is shown to a network, as far as all kinds are alike."""

    @property
    def trials(self) -> int:
        """Number of trials."""

    @property
    def presentations(self) -> int:
        """Number of presentations of each trial."""


Spec = TypeVar("Spec", bound=Described)
Shown = TypeVar("Shown", bound=Presented)


@dataclass(frozen=True, kw_only=True)
class Job(Generic[Spec, Shown]):
    """Everything that a backend needs: a network, the devices of each trial, and what is shown to them.

    `spec` and `shown` are of one kind of neuron: ``memtwin.sim.KIND.spec``, ``memtwin.sim.KIND.shown``. `seed` is the
    seed of trial 0. With `record`, waveforms and words are kept, not only counts. `start` is the `Recording.state` that
    an earlier run of the same network, trials and seed left, on any backend with words; it goes on bit for bit. With
    `allow_clipping`, coefficients that do not fit their words are clipped; else they are refused. `warnings` are what
    the experiment has to say of it.
    """

    spec: Spec
    shown: Shown
    seed: int = 0
    record: bool = False
    start: State | None = None
    allow_clipping: bool = False
    warnings: tuple[str, ...] = ()

    def sample(self) -> list[Any]:
        """Draw the devices of each layer: a `LayerSample` of the network's kind."""
        return self.spec.sample(trials=self.shown.trials, seed=self.seed)

    def coefficients(self) -> list[LayerCoefficients]:
        """Quantise the devices: the integers of each layer.

        Raises
        ------
        InputError
            If a value does not fit its word.
        """
        layers = kind_of(self.spec).quantize(self.spec, self.sample())
        if not self.allow_clipping:
            refuse_clipped(reports_of(layers))
        return layers

    def coarse_steps(self) -> list[str]:
        """Say where a substep is too long, or too short, for what is to be run: a line each."""
        return kind_of(self.spec).coarse_steps(self.spec, self.sample(), self.shown)


def run(job: Job, backend: str, progress: Progress | None = None) -> Recording:
    """Run `job` on `backend`.

    Raises
    ------
    InputError
        If the backend is unknown, or cannot run here.
    """
    return _module(job, backend).run(job, progress)


def check(job: Job, backend: str) -> None:
    """Refuse a job that `backend` cannot run, without running it.

    Raises
    ------
    InputError
        If the backend is unknown, or cannot run the job.
    """
    _module(job, backend)
    kind_of(job.spec).check(job, backend)


def _module(job: Job, backend: str) -> ModuleType:
    """Import the backend for the kind of network; only now, so that the physics needs no gateware."""
    if backend not in BACKENDS:
        raise InputError(f"backend {backend}: unknown; expected {', '.join(BACKENDS)}")
    if job.start is not None:
        if not job.spec.keeps_state:
            raise InputError("start: networks of this kind cannot go on from a state")
        if backend not in ON_WORDS:
            raise InputError(f"start: backend {backend} has no words of a state; expected {', '.join(ON_WORDS)}")
    if backend in ("rtl", "netlist"):
        with extra_for(f"backend {backend}"):
            from memtwin.sim.engines import gateware, netlist

            return netlist if backend == "netlist" else gateware
    module = kind_of(job.spec).module(backend)
    if module is None:
        raise InputError(f"backend {backend}: not for networks of this kind; physics, model, rtl and netlist are")
    return module


def run_all(
    jobs: Mapping[str, Job], backend: str, report: Callable[[str, float], None] | None = None
) -> dict[str, Recording]:
    """Run several jobs on `backend`, by name; the results are those of `run`.

    `report` is called with the name of a job and the part of it that is done.

    Raises
    ------
    InputError
        If the backend is unknown, or cannot run here.
    """

    def tell(*names: str) -> Progress:
        def progress(done: float) -> None:
            if report is not None:
                for name in names:
                    report(name, done)

        return progress

    modules = {name: _module(job, backend) for name, job in jobs.items()}
    kinds = {kind_of(job.spec) for job in jobs.values()}
    if len(kinds) == 1 and backend in kinds.pop().together:  # jobs of equal structure side by side
        module = next(iter(modules.values()))
        return dict(zip(jobs, module.run_together(list(jobs.values()), tell(*jobs)), strict=True))
    return {name: modules[name].run(job, tell(name)) for name, job in jobs.items()}
