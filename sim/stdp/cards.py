"""The type of card for a device that is a neuron or a synapse, in the words of yu-tio2."""

from memtwin.sim.card_types import CardType, FieldRule
from memtwin.sim.cards import Card
from memtwin.sim.errors import InputError

__all__ = ["CARD_TYPES"]


def _between_resistances(card: Card) -> None:
    if not 1 / card["r_off"] < card["g_initial"] < 1 / card["r_on"]:
        raise InputError(
            f"card {card.name}, field g_initial: expected a conductance between those of r_off "
            f"({card.fields['r_off']}) and r_on ({card.fields['r_on']}), not {card.fields['g_initial']}"
        )


CARD_TYPES = {
    "volatile and non-volatile switch": CardType(
        {
            "i_volatile": FieldRule("A", "compliance current below which the device is a volatile threshold switch"),
            "v_th": FieldRule("V", "volatile mode: threshold voltage, that of the neuron", most=3.9),
            "v_hold": FieldRule("V", "volatile mode: hold voltage, below which it relaxes to its high resistance"),
            "tau": FieldRule("s", "volatile mode: membrane time constant of the neuron"),
            "u_rest": FieldRule("V", "volatile mode: resting potential of the neuron", zero=True),
            "i_non_volatile": FieldRule("A", "compliance current of non-volatile resistive switching"),
            "v_set": FieldRule("V", "non-volatile mode: voltage at which it is set"),
            "v_reset": FieldRule("V", "non-volatile mode: magnitude of the negative voltage at which it is reset"),
            "r_on": FieldRule("Ohm", "low resistance (LRS)"),
            "r_off": FieldRule("Ohm", "high resistance (HRS)"),
            "r_on_c2c": FieldRule("", "cycle-to-cycle spread of the low resistance", zero=True, most=0.25),
            "r_off_c2c": FieldRule("", "cycle-to-cycle spread of the high resistance", zero=True, most=0.25),
            "g_initial": FieldRule("S", "conductance at which the STDP window was measured, and before learning"),
            "w_plus": FieldRule("", "potentiation for dt just above 0, per cent of g_initial"),
            "tau1": FieldRule("s", "time constant of the window for dt > 0 (input before output)"),
            "w_minus": FieldRule("", "depression for dt just below 0, per cent of g_initial"),
            "tau2": FieldRule("s", "time constant of the window for dt < 0 (input after output)"),
        },
        ordered=(("v_hold", "v_th"), ("u_rest", "v_th"), ("r_on", "r_off")),
        check=_between_resistances,
    ),
}
