"""The quantised words of a network as files: memory images for other gateware, and arrays for NumPy.

- ``.mem``: the words of the weights for ``$readmemh``, four hexadecimal digits a line, with addresses and comments.
- ``.hex``: the same words as Intel HEX, low byte first, so at twice the address.
- ``.npz``: all words of every layer, ``layer1.weight``, ``layer1.gain``, ...; weights as signed levels (rows, neurons).

In the first two the word of row `r` and neuron `n` of a layer is at ``start + r * neurons + n``, in two's complement
of 16 bits, and layers follow each other (docs/lif-arithmetic.md, section 1).
"""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memtwin.nir.networks import StoredNetwork
from memtwin.sim.errors import InputError
from memtwin.sim.files import write_whole

__all__ = ["FORMATS", "weight_file", "write_weights"]

_RECORD = 16  # data bytes in a record of Intel HEX
_SIGNED = ("weight", "bias", "v_reset")


def write_weights(network: StoredNetwork, path: Path, form: str) -> None:
    """Write the words of a network to a file, whole or not at all; `form` is ``"mem"``, ``"hex"`` or ``"npz"``.

    Raises
    ------
    InputError
        If a value cannot be represented, or the file cannot be written.
    """
    write_whole(path, weight_file(network, form))


def weight_file(network: StoredNetwork, form: str) -> bytes:
    """Content of the file that `write_weights` writes."""
    if form not in FORMATS:
        raise InputError(f"weights: expected the format {', '.join(FORMATS)}, not {form!r}")
    return FORMATS[form](network)


def _mem(network: StoredNetwork) -> bytes:
    lines = [f"// weights in 16 bits, two's complement; {network.spec.weight_bits} bits are used"]
    start = 0
    for name, layer, own in zip(network.names, network.spec.layers, network.coefficients(), strict=True):
        words = own.words["weight"][0]
        lines += [
            f"// {name}: {layer.rows} rows x {layer.neurons} neurons, at {start:X} + row * {layer.neurons} + neuron",
            f"@{start:X}",
            *(f"{word:04X}" for word in words.tolist()),
        ]
        start += words.size
    return ("\n".join(lines) + "\n").encode("ascii")


def _hex(network: StoredNetwork) -> bytes:
    words = np.concatenate([own.words["weight"][0] for own in network.coefficients()])
    data = words.astype("<u2").tobytes()
    lines = []
    for start in range(0, len(data), _RECORD):
        if start % 0x10000 == 0:
            lines.append(_record(0, 4, (start >> 16).to_bytes(2, "big")))
        lines.append(_record(start & 0xFFFF, 0, data[start : start + _RECORD]))
    lines.append(_record(0, 1, b""))
    return ("\n".join(lines) + "\n").encode("ascii")


def _record(address: int, kind: int, data: bytes) -> str:
    """One record of Intel HEX; its bytes, the last of which is the check, add up to 0 modulo 256."""
    body = bytes([len(data)]) + address.to_bytes(2, "big") + bytes([kind]) + data
    return f":{body.hex().upper()}{-sum(body) & 0xFF:02X}"


def _npz(network: StoredNetwork) -> bytes:
    arrays: dict[str, NDArray] = {
        "dt": np.array(network.spec.dt),
        "weight_bits": np.array(network.spec.weight_bits),
    }
    for number, (layer, own) in enumerate(zip(network.spec.layers, network.coefficients(), strict=True), 1):
        for name, words in own.words.items():
            one = words[0]
            if name in _SIGNED:
                one = (one ^ 0x8000) - 0x8000
            arrays[f"layer{number}.{name}"] = one.astype(np.int32)
        arrays[f"layer{number}.weight"] = arrays[f"layer{number}.weight"].reshape(layer.rows, layer.neurons)
    if network.encoding is not None:
        shown = network.encoding
        arrays |= {name: np.array(getattr(shown, name)) for name in ("mode", "decoder", "steps", "values")}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


FORMATS: dict[str, Callable[[StoredNetwork], bytes]] = {"mem": _mem, "hex": _hex, "npz": _npz}
