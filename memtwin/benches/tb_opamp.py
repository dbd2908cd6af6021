"""Bench of the designs made of op-amp neurons, inside the simulator; the environment names the design."""

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from memtwin.benches.common import words_of_model
from memtwin.benches.host import HostTester
from memtwin.sim.backends import Job
from memtwin.sim.cards import Card
from memtwin.sim.opamp import trace
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import LayerSpec, OpampSpec

MOST, AFTER = 1000, 100  # substeps of the stimulus as shipped: at most, and after the first pulse
PRESENTATIONS = 8


class OpampTester(HostTester):
    """Tester with random devices and presentations."""

    def counts(self, words: list[NDArray[np.uint64]]) -> list[tuple[int, int]]:
        """How often neurons of each layer set, and how many synapses changed or might have."""
        found = []
        for one, layer in zip(words, self.design.coefficients, strict=True):
            sorted_words = trace.read(one, layer.structure)
            sets = np.count_nonzero(np.diff(sorted_words.circuit["on"], axis=0, prepend=0) == 1)
            found.append((int(sets), sorted_words.synapses["row"].size))
        return found

    def varied(self) -> Job:
        """Draw devices that the same gateware serves, and presentations in which every layer answers and learns."""

        def draw() -> Job:
            return Job(spec=self._spec(), shown=self._stimulus(), seed=int(self.rng.integers(2**31)))

        return self.drawn(draw, self._answers)

    def _answers(self, job: Job) -> bool:
        learns = [layer.structure["learns"] for layer in self.design.coefficients]
        counts = zip(self.counts(words_of_model(job)), learns, strict=True)
        return all(sets and (learnt or not can) for (sets, learnt), can in counts)

    def _spec(self) -> OpampSpec:
        spec = self.design.spec
        assert isinstance(spec, OpampSpec)
        synapse = self._vary(spec.synapse, 1.5)
        return replace(spec, layers=tuple(map(self._layer, spec.layers)), synapse=synapse, d2d=True)

    def _layer(self, layer: LayerSpec) -> LayerSpec:
        cards = {"neuron": layer.neuron, "switch": layer.switch, **layer.memristors}
        varied: dict[str, Any] = {place: self._vary(card, 1.3) for place, card in cards.items()}
        shape = (layer.neurons, layer.rows)
        return replace(
            layer,
            **varied,
            g_initial=layer.g_initial * self.rng.uniform(1, 3, shape),
        )

    def _vary(self, card: Card, factor: float) -> Card:
        """Replace every value of a card by one up to `factor` larger or smaller."""
        values = {name: field.value * factor ** self.rng.uniform(-1, 1) for name, field in card.fields.items()}
        return card.replace(**values)

    def _stimulus(self) -> Stimulus:
        rng, layers = self.rng, self.design.layers
        shape = (1, PRESENTATIONS)
        return Stimulus.build(
            rng.random((*shape, layers[0].rows)) < 0.5,
            on=rng.integers(0, 80, shape),
            off=rng.integers(0, 20, shape),
            gates=rng.random((*shape, layers[-1].neurons)) < 0.8,
            learn=rng.random((*shape, len(layers))) < 0.8,
        )


def start_of(job: Job, substeps: int) -> Job:
    """Cut the stimulus of a job to its first substeps."""
    stimulus = job.shown
    begin = np.cumsum(stimulus.on + stimulus.off, axis=1) - stimulus.on - stimulus.off
    on = (substeps - begin).clip(0, stimulus.on)
    off = (substeps - begin - stimulus.on).clip(0, stimulus.off)
    return replace(job, shown=replace(stimulus, on=on, off=off))


@cocotb.test()
async def as_shipped(dut: Any) -> None:
    """The experiment up to the first pulse at the output, with the coefficients that the design is shipped with."""
    test = OpampTester(dut)
    await test.start()
    job = start_of(test.design.job, MOST)
    on = trace.read(words_of_model(job)[-1], test.design.coefficients[-1].structure).circuit["on"]
    first = np.flatnonzero(on.any(axis=1))[:1]
    await test.check(start_of(job, int(first[0]) + AFTER) if first.size else job)


@cocotb.test()
async def random_stimulus(dut: Any) -> None:
    """Random devices, presentations, gates and learning."""
    test = OpampTester(dut)
    await test.start()
    job = test.varied()
    await test.load(job)
    words = await test.check(job)
    assert all(sets for sets, _ in test.counts(words))
