"""One call runs a program on any backend (design, section 1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from memtwin.sim.errors import InputError
from memtwin.sim.network import LayerSample, NetworkSpec, draw_sample
from memtwin.sim.program import Program
from memtwin.sim.recording import Recording

__all__ = ["BACKENDS", "Progress", "Run", "run", "run_all"]

BACKENDS = ("physics", "model", "rtl", "netlist", "board")

Progress = Callable[[float], None]  # called with the part done, 0 to 1


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that a backend needs: a network, the devices of each trial, and what is shown to them.

    `seed` is the seed of trial 0 (see `draw_sample`). With `record`, waveforms and words are kept, not only counts.
    """

    spec: NetworkSpec
    program: Program
    seed: int = 0
    record: bool = False

    def sample(self) -> list[LayerSample]:
        """Draw the devices."""
        return draw_sample(self.spec, trials=self.program.trials, seed=self.seed)


def run(job: Run, backend: str, progress: Progress | None = None) -> Recording:
    """Run `job` on `backend`.

    Raises
    ------
    InputError
        If the backend is unknown, or cannot run here.
    """
    # Imported here, so that the physics needs no gateware and the model no simulator.
    if backend == "physics":
        from memtwin.sim import physics

        return physics.run(job, progress)
    if backend == "model":
        from memtwin.sim import model

        return model.run(job, progress)
    if backend == "rtl":
        from memtwin.sim import rtl

        return rtl.run(job, progress)
    raise InputError(f"backend {backend}: unknown; expected physics, model or rtl")


def run_all(
    jobs: Mapping[str, Run], backend: str, report: Callable[[str, float], None] | None = None
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

    if backend == "model":  # the model takes jobs of equal structure side by side
        from memtwin.sim import model

        return dict(zip(jobs, model.run_together(list(jobs.values()), tell(*jobs)), strict=True))
    return {name: run(job, backend, tell(name)) for name, job in jobs.items()}
