"""Types of cards for hybrid neurons, in the words of zhang2021."""

from memtwin.sim.card_types import CardType, FieldRule
from memtwin.sim.cards import Card
from memtwin.sim.errors import InputError

__all__ = ["CARD_TYPES"]


def _above_the_threshold(card: Card) -> None:
    if not card["x_max"] > 1:
        raise InputError(f"card {card.name}, field x_max: expected more than the threshold, 1, not {card['x_max']}")


CARD_TYPES = {
    "threshold switch": CardType(
        {
            "g0": FieldRule("/s", "growth rate of the filament, extrapolated to 0 V: g(V) = g0 exp(V / v0)"),
            # Less, and exp(V / v0) leaves the range of float64 within the input voltages; kT / q is 26 mV.
            "v0": FieldRule("V", "voltage that multiplies the growth rate by e", least=10e-3),
            "tau_leak": FieldRule("s", "time constant of the leak while the device is off"),
            "tau_relax": FieldRule("s", "time constant of the relaxation while the device is on and not driven"),
            "theta_off": FieldRule("", "filament at which the device ruptures (1 is the nominal threshold)", most=1.0),
            "x_max": FieldRule("", "ceiling of the filament (1 is the nominal threshold)", most=4.0),
            "v_hold": FieldRule("V", "hold voltage: at or below it the device is not driven"),
            "theta_c2c": FieldRule("", "cycle-to-cycle spread of the threshold", zero=True, most=1.0),
            "theta_d2d": FieldRule("", "device-to-device spread of the threshold", zero=True, most=0.25),
            "gain_d2d": FieldRule("", "device-to-device spread of the growth rate", zero=True, most=0.25),
        },
        check=_above_the_threshold,
    ),
    "synapse": CardType(
        {
            "g_min": FieldRule("S", "lower soft bound of the conductance"),
            "g_max": FieldRule("S", "upper soft bound of the conductance"),
            "g_medium": FieldRule("S", "initial conductance of an unsupervised layer"),
            "g_low": FieldRule("S", "initial conductance of a supervised layer"),
            "potentiation": FieldRule("", "part of the distance to g_max that one fire covers", most=1.0),
            "depression": FieldRule("", "part of the distance to g_min that one fire covers", most=1.0),
            "g_d2d": FieldRule("", "device-to-device spread of the initial conductance", zero=True, most=0.25),
        },
        ordered=(("g_min", "g_max"),),
    ),
    "hybrid neuron": CardType(
        {
            "clock": FieldRule("Hz", "frequency of the global CLK, 50 % duty"),
            "g_load": FieldRule("S", "load at node 1: TS in its off state, and wiring", zero=True),
            "v_dep": FieldRule("V", "voltage to which T3 lifts node 1", most=3.0),
            "v_spike": FieldRule("V", "amplitude of the output spike", most=3.9),
            "adapt_step": FieldRule("", "rise of the threshold at an own fire (adaptive option)", most=2.0),
            "tau_adapt": FieldRule("s", "time constant with which the rise decays (adaptive option)"),
        },
    ),
    "inhibition array": CardType(
        {
            "g_inhibit": FieldRule("S", "conductance from a neuron to every other neuron"),
            "g_self": FieldRule("S", "conductance from a neuron to itself"),
            "g_bias": FieldRule("S", "conductance of the bias row"),
            "g_load": FieldRule("S", "load of a column, beside its own memristors", zero=True),
            "v_l": FieldRule("V", "high level of the lateral inhibition signal V_L"),
            "v_bias": FieldRule("V", "bias voltage"),
            "v_ref": FieldRule("V", "reference of the comparators"),
        },
    ),
}
