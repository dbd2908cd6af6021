"""A network of one's own: layers of one kind, and the options that they share."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.own.layer import Circuit, OwnLayer
from memtwin.sim.own.options import Whole
from memtwin.sim.own.sources import Source, source
from memtwin.sim.own.train import Size

__all__ = ["Network", "demand_network", "job_of"]


class Network:
    """Layers of one kind, in the order of the signal.

    >>> import memtwin as mt
    >>> net = mt.Network([mt.hybrid.Layer(inputs=5, neurons=3, inhibition=True)], device="ag-sio2")

    Parameters
    ----------
    layers : sequence of layers
        Such as `mt.hybrid.Layer`; the inputs of a later layer are the neurons of the one before.
    name : str
        What figures and the Verilog call it.
    **options
        Options of the whole network: cards, steps, spread; see `mt.options`.

    Attributes
    ----------
    layers, circuit
        Its layers and options.
    spec
        What backends run.
    names : tuple of str
        Of the layers.
    step : float
        Time of one step of the input, s.
    input : Source or None
        What its file says that it is shown.
    notes : list of str
        What is to be known of its file, a line each; every run warns of it.
    weights : str or None
        Of a NIR file: whether the weights are those of the ``"file"``, or ``"quantised"``.

    Raises
    ------
    InputError
        If layers and options do not make a network.
    """

    def __init__(self, layers: Sequence[OwnLayer], *, name: str = "network", **options: Any) -> None:
        if not isinstance(name, str) or not name.isprintable() or not name:
            raise InputError("network: expected a name of printable characters")
        if not isinstance(layers, Sequence) or not layers or not all(isinstance(own, OwnLayer) for own in layers):
            raise InputError("network: expected a list of layers, such as [mt.hybrid.Layer(inputs=5, neurons=3)]")
        if len(kinds := sorted({layer.kind for layer in layers})) > 1:
            raise InputError(f"network: expected layers of one kind, not {' and '.join(kinds)}")
        circuit = layers[0].circuit.given("network", options)
        assert isinstance(circuit, Circuit)
        self._set(layers, circuit, circuit.spec(layers), name)

    def _set(self, layers: Sequence[OwnLayer], circuit: Circuit, spec: Any, name: str) -> None:
        self.layers, self.circuit, self.spec, self.name = tuple(layers), circuit, spec, name
        self.names = tuple(f"layer{number}" for number in range(1, len(self.layers) + 1))
        self.step: float = circuit.step(spec)
        self.input: Source | None = None
        self.notes: list[str] = []
        self.weights: str | None = None

    @property
    def kind(self) -> str:
        """Kind of its neurons."""
        return self.layers[0].kind

    @property
    def inputs(self) -> int:
        """Rows of layer 1."""
        return self.layers[0].inputs

    @property
    def neurons(self) -> int:
        """Neurons of the last layer."""
        return self.layers[-1].neurons

    def job(
        self,
        spikes: Any,
        *,
        trials: int = 1,
        seed: int = 0,
        record: bool = True,
        allow_clipping: bool = False,
    ) -> Job:
        """Say what backends run: the network, its devices in each trial, and the spikes that it is shown.

        Raises
        ------
        InputError
            If the spikes do not fit the network. Without any, those of its file are shown.
        """
        spikes = self.input if spikes is None else spikes
        if spikes is None:
            raise InputError(f"network {self.name}: expected spikes; its file has no input either")
        trials = Whole(most=1_000_000, meaning="trials").read("trials", trials)
        seed = Whole(least=0, most=2**63 - 1 - trials, meaning="of trial 0").read("seed", seed)
        size = Size(inputs=self.inputs, outputs=self.neurons, step=self.step, trials=trials, seed=seed)
        train = source(spikes).train(size)
        program = self.circuit.shown(self.layers, self.spec, train)
        return Job(spec=self.spec, shown=program, seed=seed, record=record, allow_clipping=allow_clipping)

    def __repr__(self) -> str:
        sizes = " x ".join(str(number) for number in (self.inputs, *(layer.neurons for layer in self.layers)))
        return f"<{self.kind} network {self.name}, {sizes}>"


def demand_network(network: Any) -> None:
    """Refuse what is no network, such as the name of a file.

    Raises
    ------
    InputError
        If it is none.
    """
    if not isinstance(network, Network):
        raise InputError(f"network: expected a Network, such as mt.load_network(FILE), not {network!r}")


def job_of(network: Network, *, seed: int = 0, allow_clipping: bool = False) -> Job:
    """Return a run of the network whose devices are those of a seed; a single spike is shown."""
    spikes = np.zeros((1, network.inputs), dtype=np.uint8)
    spikes[0, 0] = 1
    return network.job(spikes, seed=seed, allow_clipping=allow_clipping)
