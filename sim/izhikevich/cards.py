"""The type of card for an Izhikevich neuron, with the numbers of the source: mV, ms, mV/ms."""

from memtwin.sim.card_types import CardType, FieldRule

__all__ = ["CARD_TYPES"]

CARD_TYPES = {
    "Izhikevich neuron": CardType(
        {
            "a": FieldRule("", "rate with which the recovery u follows, per ms", most=1.0),
            "b": FieldRule("", "sensitivity of u to the membrane, per ms", least=-0.99, most=0.99),
            "c": FieldRule("V", "membrane after a spike", least=-150e-3, most=100e-3),
            "d": FieldRule("", "jump of u with a spike, mV/ms", least=-20.0, most=20.0),
            "v_threshold": FieldRule("V", "membrane at which the neuron spikes", least=-60e-3, most=100e-3),
            "v_initial": FieldRule("V", "membrane at the start, with u = b v", least=-150e-3, most=100e-3),
        },
        ordered=(("c", "v_threshold"), ("v_initial", "v_threshold")),
    ),
}
