"""Random networks of one's own, through the public interface, and the spikes that they are shown."""

from itertools import pairwise

import memtwin as mt
from memtwin.sim.cards import load_card
from memtwin.sim.opamp.spec import CIRCUITS
from tests.structures.draw import Dice


def draw(dice: Dice):
    """Draw a network and spikes: sizes, step, options; of op-amp neurons the cards, too, else those of the kind."""
    return {"hybrid": _hybrid, "opamp": _opamp, "lif": _lif, "stdp": _stdp, "izhikevich": _izhikevich}[dice.kind](dice)


def _sizes(dice: Dice, most: int) -> list[tuple[int, int]]:
    """Inputs and neurons of each of one to three layers."""
    return list(pairwise(int(size) for size in dice.rng.integers(1, most + 1, dice.pick(1, 2, 3) + 1)))


def _train(dice: Dice, step: float, steps: int, inputs: int):
    """Spikes of `mt.poisson` at one rate, or at one for each input, in up to 80 % of the steps."""
    return mt.poisson(dice.log(min(0.5, 4 / steps), 0.8, None if dice.chance(0.5) else inputs) / step, steps * step)


def _hybrid(dice: Dice):
    layers = [
        mt.hybrid.Layer(
            inputs=inputs,
            neurons=neurons,
            **{name: dice.chance(0.5) for name in ("learn", "inhibition", "refractory", "depression", "skip")},
            **({"v_in": dice.rng.uniform(1.0, 2.0)} if not number and dice.chance(0.7) else {}),
            **({"g_initial": dice.log(5e-6, 300e-6, (neurons, inputs))} if dice.chance(0.7) else {}),
        )
        for number, (inputs, neurons) in enumerate(_sizes(dice, 6))
    ]
    net = mt.Network(layers, substeps=1 << int(dice.rng.integers(0, 8)), c2c=dice.chance(0.3), d2d=dice.chance(0.3))
    return net, _train(dice, net.step, int(dice.rng.integers(10, 80)), net.inputs)


def _opamp(dice: Dice):
    is_shipped = dice.chance(0.3)
    layers = [_opamp_layer(dice, inputs, neurons, is_shipped) for inputs, neurons in _sizes(dice, 4)]
    # Up to a quarter of the shorter switching time, which is the most; whole parts of it as often as others.
    longest = min(min(layer.switch["tau_on"], layer.switch["tau_off"]) for layer in layers) / 4
    substep = longest / dice.pick(1, 1.25, 2, 2.5, 5, dice.log(1, 10))
    substeps = int(dice.rng.integers(1, 200))
    net = mt.Network(layers, substep=substep, pulse=substep * substeps, d2d=dice.chance(0.3))
    return net, _train(dice, net.step, max(4, int(dice.rng.integers(200, 2000)) // substeps), net.inputs)


def _opamp_layer(dice: Dice, inputs: int, neurons: int, is_shipped: bool):
    """Draw a layer, some of whose neurons get a voltage at OUT1 that makes them fire."""

    def card(name: str, **ranges):
        return load_card(name) if is_shipped else dice.card(load_card(name), **ranges)

    circuit = dice.pick(*CIRCUITS)
    kind, place = CIRCUITS[circuit]
    names = {name: dice.pick("rm-novelty", "rm-learning", "rm-integrating") for name in ("first", "second")}
    first = card(names["first"], exponent=(1.0, 6.0)) if kind == "dynamic" else None
    second = card(names["second"], exponent=(1.0, 6.0)) if place != "switch" else None
    neuron, switch = card("opamp", v1=(0.0, 0.5)), load_card("ts-500k")
    if not is_shipped:
        v_th = switch["v_th"] * dice.log(0.5, 2)
        switch = dice.card(switch.replace(v_hold=v_th / 2, v_th=v_th), v_th=(v_th, v_th), v_hold=(v_th / 4, v_th))
    g = switch["v_th"] * dice.log(0.3, 3) / neuron["v_pulse"] / (neuron["r2"] if first is None else first["r_initial"])
    g_initial = g * dice.log(0.5, 2, None if dice.chance(0.5) else (neurons, inputs))
    options = {"neuron": neuron, "switch": switch, "first": first, "second": second, "learn": dice.chance(0.2)}
    return mt.opamp.Layer(inputs=inputs, neurons=neurons, devices=circuit, g_initial=g_initial, **options)


def _lif(dice: Dice):
    layers = [
        mt.lif.Layer(
            inputs=inputs,
            neurons=neurons,
            weights=dice.rng.uniform(-1, 3, (neurons, inputs)) * dice.log(0.3, 30),
            tau=dice.log(2e-3, 200e-3),
            refractory=dice.pick(0.0, 0.0, 3e-3),
            reset=dice.pick("value", "subtract", "value-delayed", "subtract-delayed"),
        )
        for inputs, neurons in _sizes(dice, 6)
    ]
    net = mt.Network(layers, dt=dice.log(50e-6, 5e-3), weight_bits=int(dice.rng.integers(3, 17)))
    return net, _train(dice, net.step, int(dice.rng.integers(20, 400)), net.inputs)


def _stdp(dice: Dice):
    layer = mt.stdp.Layer(
        inputs=int(dice.rng.integers(1, 9)), neurons=int(dice.rng.integers(1, 6)), learn=dice.chance(0.8)
    )
    net = mt.Network([layer], kick=dice.log(0.05, 2), dt=dice.log(50e-6, 5e-3), c2c=dice.chance(0.3))
    return net, _train(dice, net.step, int(dice.rng.integers(20, 400)), net.inputs)


def _izhikevich(dice: Dice):
    inputs, neurons = int(dice.rng.integers(1, 9)), int(dice.rng.integers(1, 6))
    layer = mt.izhikevich.Layer(
        inputs=inputs,
        neurons=neurons,
        weights=dice.rng.uniform(-1, 3, (neurons, inputs)) * dice.log(2, 40),
        current=dice.rng.uniform(-5, 20, neurons),
    )
    device = f"izhikevich-{dice.pick('rs', 'ib', 'ch', 'fs', 'lts')}"
    net = mt.Network([layer], device=device, dt=dice.log(10e-6, 1e-3))
    return net, _train(dice, net.step, int(dice.rng.integers(20, 1000)), net.inputs)
