"""Commands on networks: ``memtwin train``, ``memtwin import``, ``memtwin export nir|mem|hex|npz|recording``."""

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from memtwin.cli import own
from memtwin.cli.options import Asked, Clipping, Json, Seed, Trials, asking
from memtwin.console import (
    HELP_ALONE,
    notice,
    print_json,
    print_line,
    print_table,
    progress,
    quantised_line,
    warn,
)
from memtwin.nir.networks import UNSAID, StoredNetwork, card_text
from memtwin.sim.cards import load_card
from memtwin.sim.errors import InputError
from memtwin.sim.lif.shown import DECODERS, MODES
from memtwin.sim.lif.spec import HEADROOMS, RESETS
from memtwin.sim.units import check_range, format_si, parse_si

__all__ = ["register"]

_PERCENT = 100.0

Net = Annotated[str, typer.Argument(metavar="NET", help="NIR file, or the name of a network that is shipped.")]
Dt = Annotated[str | None, typer.Option("--dt", help="Step, as 1ms; without it that of the file, or a usual one.")]
Bits = Annotated[
    int | None, typer.Option("--bits", help="Bits of a weight, 2 to 16; from 7 on, see sum in the report.")
]
Reset = Annotated[str | None, typer.Option("--reset", help=f"Of all neurons: {', '.join(RESETS)}.")]
Euler = Annotated[bool, typer.Option("--euler", help="Neurons forget dt / tau in a step, as in snnTorch and Norse.")]
Headroom = Annotated[
    int | None, typer.Option("--headroom", help="Thresholds until a membrane is clamped, a power of two.")
]
Cards = Annotated[list[str] | None, typer.Option("--card", help="Card of a device that is stored with the network.")]
EncodingName = Annotated[
    str | None, typer.Option("--encoding", help=f"How images are shown: {', '.join(MODES)}; as in the file without it.")
]
EncodingSteps = Annotated[
    int | None, typer.Option("--steps", min=1, max=2**16 - 1, help="Steps for which an image is shown.")
]
Decoder = Annotated[str | None, typer.Option("--decoder", help=f"How an answer is read: {', '.join(DECODERS)}.")]
Out = Annotated[Path, typer.Option("-o", help="File.")]

train_app = typer.Typer(help="Train a network for the engine.", **HELP_ALONE)


def register(app: typer.Typer, export_app: typer.Typer) -> None:
    """Add the commands to those of ``memtwin`` and ``memtwin export``."""
    app.add_typer(train_app, name="train")
    app.command("import")(import_network)
    export_app.command("nir")(export_nir)
    for form, what in _FORMS.items():
        export_app.command(form, help=what)(_exporter(form))
    export_app.command("recording")(export_recording)


@train_app.command("mnist")
def train_mnist(
    net: Annotated[str, typer.Option("--net", help="784x10, 784x128x10, or another number in the middle.")] = "784x10",
    data: Annotated[
        Path | None, typer.Option("--data", help="Directory of MNIST's four files; or MEMTWIN_DATA.")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", help="NIR file; mnist-NET.nir without it.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Of all that chance decides.")] = 1,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, max=10_000, help="Passes through the pictures.")
    ] = None,
    assignment: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: a setting of the training.")
    ] = None,
    card: Cards = None,
    as_json: Json = False,
) -> None:
    """Train a network on MNIST and save it as a NIR file; its accuracy is that of the integer model on the test set."""
    # Only now: the others need neither.
    from memtwin.nir.nir_io import write_nir
    from memtwin.train.data import load_mnist
    from memtwin.train.train import accuracy, settings_of, train

    changes = _changes(assignment) | {"seed": seed} | ({} if epochs is None else {"epochs": epochs})
    settings = settings_of(net, **changes)
    cards = [load_card(name) for name in card or ()]
    path = out or Path(f"mnist-{net}.nir")
    digits, others = load_mnist("train", data), load_mnist("test", data)
    with progress() as report:
        network = train(
            digits, settings, cards=cards, progress=report and (lambda done, loss: report(f"loss {loss:.3f}", done))
        )
        right, right_float = (
            accuracy(network, others, backend=backend, progress=report and (lambda done: report("test", done)))
            for backend in ("model", "physics")
        )
    # The same network and events, in integers and in floating point.
    notes = {**network.notes, "accuracy": right, "accuracy_float": right_float}
    network = replace(network, notes=notes, source=str(path))
    write_nir(network, path)
    notice(f"wrote {path}")
    if as_json:
        print_json({**network.json(), "accuracy": right, "accuracy_float": right_float, "images": len(others)})
        return
    print(f"accuracy  {_PERCENT * right:.2f} % of {len(others)} test pictures")


def import_network(
    net: Net,
    dt: Dt = None,
    bits: Bits = None,
    reset: Reset = None,
    euler: Euler = False,
    headroom: Headroom = None,
    encoding: EncodingName = None,
    steps: EncodingSteps = None,
    decoder: Decoder = None,
    allow_clipping: Clipping = False,
    as_json: Json = False,
) -> None:
    """Read a network, and show its layers and what quantisation changes."""
    network = _encoded(_load(net, dt, bits, reset, euler, headroom), encoding, steps, decoder)
    found = replace(network, allow_clipping=allow_clipping).json()
    warn(found["warnings"])
    if as_json:
        print_json(found)
        return
    print_line(f"{found['file']}  step {format_si(network.spec.dt, 's')}, weights of {network.spec.weight_bits} bits")
    print_table(found["layers"], ("node", "kind", "rows", "neurons", "synapses", "reset"))
    rows = [quantised_line(line) for line in found["quantisation"]]
    print()
    print_table(rows, ("node", "name", "asked", "got", "error", "saturated"))


def export_nir(
    net: Net,
    out: Out,
    dt: Dt = None,
    bits: Bits = None,
    reset: Reset = None,
    euler: Euler = False,
    headroom: Headroom = None,
    card: Cards = None,
    encoding: EncodingName = None,
    steps: EncodingSteps = None,
    decoder: Decoder = None,
) -> None:
    """Write a network as a NIR file, quantised by nothing, with what other programs do not say in its metadata."""
    from memtwin.nir.nir_io import write_nir

    network = _with_cards(_load(net, dt, bits, reset, euler, headroom), card)
    network = _encoded(network, encoding, steps, decoder)
    write_nir(network, out)
    notice(f"wrote {out}")


def _encoded(network: StoredNetwork, mode: str | None, steps: int | None, decoder: str | None) -> StoredNetwork:
    """Let images be shown to a network, and its answer be read, as a user asks; else as its file says, if it does."""
    from memtwin.train.settings import encoding_of

    for option, value, choices in (("encoding", mode, MODES), ("decoder", decoder, DECODERS)):
        if value is not None and value not in choices:
            raise InputError(f"option --{option}: expected one of {', '.join(choices)}, not {value!r}")
    if mode is steps is decoder is None:
        return network
    return replace(network, encoding=encoding_of(network, mode=mode or "", steps=steps or 0, decoder=decoder or ""))


def _with_cards(network: StoredNetwork, names: list[str] | None) -> StoredNetwork:
    cards = {own.name: card_text(own) for own in map(load_card, names or ())}
    return replace(network, cards={**network.cards, **cards})


_FORMS = {
    "mem": "Write the weights of a network for $readmemh.",
    "hex": "Write the weights of a network as Intel HEX.",
    "npz": "Write all words of a network as arrays of NumPy.",
}


def _exporter(form: str) -> Any:
    """Build the command that writes one format."""

    def export(
        net: Net,
        out: Out,
        dt: Dt = None,
        bits: Bits = None,
        reset: Reset = None,
        euler: Euler = False,
        headroom: Headroom = None,
        card: Cards = None,
        allow_clipping: Clipping = False,
    ) -> None:
        from memtwin.nir.weights import write_weights

        network = replace(_load(net, dt, bits, reset, euler, headroom), allow_clipping=allow_clipping)
        write_weights(_with_cards(network, card), out, form)
        warn(network.warnings())
        notice(f"wrote {out}")

    return export


@asking
def export_recording(
    name: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="On LIF neurons: mnist, lif, FILE.")],
    asked: Asked,
    out: Out,
    backend: Annotated[str, typer.Option("--backend", help="physics, model or rtl.")] = "model",
    seed: Seed = 0,
    trials: Trials = None,
    input_file: own.Input = None,
    steps: own.Steps = None,
    bits: own.Bits = None,
) -> None:
    """Run an experiment, or a network file, and write spikes and membranes of every step as NIR data."""
    shown: dict[str, Any] = {"input_file": input_file, "steps": steps, "bits": bits}
    if own.is_file(name):
        own.export_recording(name, asked, backend, out, seed=seed, trials=trials, **shown)
        return
    own.refuse(shown)
    from memtwin import api
    from memtwin.nir.recording import write_recording
    from memtwin.sim.backends import run
    from memtwin.sim.experiments.blocks import check_size
    from memtwin.sim.kinds import kind_of

    chosen = api.experiment(name)
    settings = chosen.settings(
        cards=asked.cards, assignments=asked.assignments, seed=seed, trials=trials, spread=asked.spread
    )
    (job, *others) = chosen.plan(settings).values()
    if others or not kind_of(job.spec).in_nir:
        raise InputError(f"experiment {name}: expected one on LIF neurons; NIR data is of networks of them")
    network = _network_of(job.spec, settings.options.get("net"))
    job = replace(job, record=True)
    check_size(job, name)
    warn(settings.warnings)
    with progress() as report:
        recording = run(job, backend, report and (lambda done: report(name, done)))
    write_recording(network, recording, out)
    notice(f"wrote {out}")


def _network_of(spec: Any, net: str | None) -> StoredNetwork:
    """Give the layers of a network the names that they have in its file."""
    from memtwin.nir.nir_io import load_network

    names = load_network(net).names if net else tuple(f"layer{number}" for number in range(1, len(spec.layers) + 1))
    return StoredNetwork(spec=spec, names=names)


def _load(
    net: str, dt: str | None, bits: int | None, reset: str | None, euler: bool, headroom: int | None
) -> StoredNetwork:
    from memtwin.nir.nir_io import load_network

    if reset is not None and reset not in RESETS:
        raise InputError(f"option --reset: expected one of {', '.join(RESETS)}, not {reset!r}")
    if bits is not None and not 2 <= bits <= 16:
        raise InputError(f"option --bits: expected 2 to 16, not {bits}")
    step = None if dt is None else parse_si(dt, "s", "option --dt")
    if step is not None:
        check_range(step, "s", "option --dt")
    if headroom is not None and headroom not in HEADROOMS:
        raise InputError(f"option --headroom: expected a power of two from 2 to 1024, not {headroom}")
    network = load_network(net, dt=step, weight_bits=bits, reset=reset, euler=euler, headroom=headroom)
    if reason := UNSAID.get(network.dt_source):
        notice(
            f"{network.source}: does not say its step; taken to be {format_si(network.spec.dt, 's')}, {reason} (--dt)"
        )
    return network


def _changes(assignments: list[str] | None) -> dict[str, Any]:
    """Read ``NAME=VALUE`` of settings of a training."""
    from memtwin.train.settings import Settings

    kinds: dict[str, Any] = {entry.name: type(entry.default) for entry in fields(Settings)}
    out: dict[str, Any] = {}
    for assignment in assignments or ():
        name, equals, text = assignment.partition("=")
        if not equals or name not in kinds:
            raise InputError(f"option --set: expected NAME=VALUE with one of {', '.join(kinds)}, not {assignment!r}")
        try:
            out[name] = kinds[name](text)
        except ValueError:
            kind = "a whole number" if kinds[name] is int else "a number"
            raise InputError(f"option --set {name}: expected {kind}, not {text!r}") from None
        if isinstance(out[name], float) and not math.isfinite(out[name]):
            raise InputError(f"option --set {name}: expected a finite number, not {text!r}")
    return out
