"""Trace words of one layer of the integer model, trial by trial: docs/opamp-arithmetic.md, section 9."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Log"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CONDUCTANCE, CURRENT, CIRCUIT, STATE, MEMRISTOR, PHASE = 4, 8, 9, 10, 11, 12

_CHUNK = 1024  # substeps that are packed into words at once


class Log:
    """Collects the words of every substep, and between them those that are there in some substeps and trials only.

    Parameters
    ----------
    trials, neurons : int
        Shape of the state.
    memristors : int
        Dynamic memristors of a neuron, 0 to 2.
    """

    def __init__(self, trials: int, neurons: int, memristors: int) -> None:
        self._trials, self._neurons = trials, neurons
        self._words = 3 if memristors == 2 else 2
        # v_out1, v_out2, on, below, s, u of each memristor
        self._chunk = np.zeros((5 + memristors, _CHUNK, trials, neurons), dtype=np.int64)
        self._filled = 0
        self._passes: list[Ints] = []
        # Position among the words of the passes, and word.
        self._between: list[list[tuple[int, Ints]]] = [[] for _ in range(trials)]

    def put_phase(self, substep: int, trial: int, driven: bool, learn: bool) -> None:
        """Begin a phase of one trial in `substep`."""
        self._put(substep, trial, np.array([PHASE | (int(driven) | int(learn) << 1) << 20]))

    def put_currents(self, substep: int, trials: Ints, currents: Ints) -> None:
        """Put the currents (len(trials), neurons) that were evaluated at the start of `substep`."""
        words = CURRENT | np.arange(self._neurons) << 4 | currents << 20
        for trial, row in zip(trials, words, strict=True):
            self._put(substep, trial, row)

    def put_synapses(self, substep: int, trials: Ints, columns: Ints, conductances: Ints) -> None:
        """Put columns (len(trials), rows) that learnt at the end of `substep`, in the order of `columns`."""
        rows = np.arange(conductances.shape[1])
        words = CONDUCTANCE | columns[:, None] << 4 | (conductances | rows << 16) << 20
        for trial, row in zip(trials, words, strict=True):
            self._put(substep + 1, trial, row)

    def put_pass(self, v_out1: Ints, v_out2: Ints, on: Bools, below: Bools | None, s: Ints, u: list[Ints]) -> None:
        """Put what every neuron did in one substep, substep after substep."""
        at = self._filled
        for number, values in enumerate((v_out1, v_out2, on, below, s, *u)):
            if values is not None:
                self._chunk[number, at] = values
        self._filled = at + 1
        if self._filled == _CHUNK:
            self._pack()

    def words(self, lengths: Ints) -> list[NDArray[np.uint64]]:
        """Return the trace of each trial, `lengths` substeps long."""
        self._pack()
        per_substep = self._words * self._neurons
        passes = np.concatenate(self._passes)
        out = []
        for trial, (length, between) in enumerate(zip(lengths, self._between, strict=True)):
            own = passes[:length, trial].reshape(-1)
            if between:
                positions = np.repeat([position for position, _ in between], [row.size for _, row in between])
                # Equal positions keep their order.
                own = np.insert(own, positions * per_substep, np.concatenate([row for _, row in between]))
            out.append(own.astype(np.uint64))
        return out

    def _put(self, substep: int, trial: int, words: Ints) -> None:
        self._between[trial].append((substep, words))

    def _pack(self) -> None:
        v_out1, v_out2, on, below, s, *u = self._chunk[:, : self._filled]
        first, second = [*u, np.zeros_like(s), np.zeros_like(s)][:2]
        values = [
            (CIRCUIT, v_out1 | v_out2 << 18 | on << 36 | below << 37),
            (STATE, first | (s & 0x1FFFF) << 27),
            (MEMRISTOR, second),
        ]
        index = np.arange(self._neurons) << 4
        words = [kind | index | value << 20 for kind, value in values[: self._words]]
        self._passes.append(np.stack(words, axis=-1))
        self._filled = 0
