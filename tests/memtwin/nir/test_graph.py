"""NIR graphs that are refused, in a line that names the file and the node."""

import json
import math

import h5py
import nir
import numpy as np
import pytest

from memtwin.nir.nir_io import load_network, read_nir, write_nir
from memtwin.sim.errors import InputError
from tests.memtwin.nir.graphs import LI, W, chain, lif, random_network, tree, with_lif, without, write_tree

BAD_WEIGHT = np.where(np.eye(3, 4), np.nan, 1.0)


def own(text):
    """Our metadata, as a text."""
    return {"metadata": {"memtwin": text}}


def chain_tree(first, second):
    nodes = {"input": {"type": "Input", "shape": [3]}, "a": first, "b": second, "lif": with_lif()}
    edges = [("input", "a"), ("a", "b"), ("b", "lif"), ("lif", "output")]
    return {"type": "NIRGraph", "edges": edges, "nodes": nodes | {"output": {"type": "Output", "shape": [3]}}}


MALFORMED = {
    "no nodes": ({"type": "NIRGraph", "nodes": {}, "edges": [("a", "b")]}, ": expected a graph with nodes"),
    "not a graph": ({"type": "LIF", "r": 1.0}, ": expected a NIR graph at the top, not LIF"),
    "no edges": ({"type": "NIRGraph", "nodes": tree()["nodes"]}, ": expected a list of edges"),
    "edges that are no pairs": (tree(edges=[("input", "fc", "lif")]), ": expected edges that are pairs"),
    "edge to nowhere": (tree(edges=[("input", "fc"), ("fc", "lf")]), "but there is no node lf"),
    "no type": (tree(fc={"weight": W}), ", node fc: expected a node with a type"),
    "unknown type": (tree(fc={"type": "Magic", "weight": W}), ", node fc: Magic is not supported; expected one of"),
    "convolution": (tree(fc={"type": "Conv2d", "weight": W}), ", node fc: Conv2d is not supported; expected one of"),
    "missing parameter": (tree(lif=without("v_threshold")), ", node lif: expected a field v_threshold"),
    "missing weights": (tree(fc={"type": "Linear"}), ", node fc: expected a field weight"),
    "wrong count": (tree(lif=with_lif(r=np.ones(5))), ", node lif, r: expected 1 or 3 values, not 5"),
    "wrong columns": (tree(input={"type": "Input", "shape": [5]}), ", node fc, weight: expected 5 columns"),
    "wrong output": (tree(output={"type": "Output", "shape": [2]}), ", node output, shape: expected 3 signals, not 2"),
    "weights of one axis": (tree(fc={"type": "Linear", "weight": W[0]}), ", node fc, weight: expected a matrix"),
    "weights that are no numbers": (
        tree(fc={"type": "Linear", "weight": BAD_WEIGHT}),
        "expected finite numbers, not nan",
    ),
    "a text for a number": (tree(lif=with_lif(tau="long")), ", node lif, tau: expected numbers"),
    "negative tau": (tree(lif=with_lif(tau=-1.0)), ", node lif, tau: expected more than 0, not -1"),
    "infinite tau": (tree(lif=with_lif(tau=math.inf)), ", node lif, tau: expected finite numbers, not inf"),
    "threshold at rest": (tree(lif=with_lif(v_leak=1.0)), ", node lif, v_threshold: expected more than v_leak"),
    "no neurons": (tree(lif=None, output=None), ", node fc: expected neurons (LIF, IF or LI)"),
    "synapses at the end": (tree(output={"type": "Linear", "weight": W.T}), ", node output: expected neurons"),
    "integrator inside": (tree(lif=LI, output=with_lif()), ", node lif: LI sends no spikes"),
    "too many signals": (tree(input=None, fc={"type": "Scale", "scale": np.ones(2000)}), ", node fc: expected at most"),
    "branch": (
        tree(edges=[("input", "fc"), ("fc", "lif"), ("fc", "output"), ("lif", "output")]),
        ", node output: gets from the input and from lif; expected branches of one layer of neurons",
    ),
    "recurrence": (
        tree(edges=[("input", "fc"), ("fc", "lif"), ("lif", "lif"), ("lif", "output")]),
        ", node lif: part of a loop (lif to lif); the engine has no recurrence",
    ),
    "longer recurrence": (
        tree(
            back={"type": "Linear", "weight": np.eye(3)},
            edges=[("input", "fc"), ("fc", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "output")],
        ),
        ", node back: part of a loop (back to lif to back); the engine has no recurrence",
    ),
    "skip over neurons": (
        tree(
            fc={"type": "Linear", "weight": np.eye(3, 4)},
            next=with_lif(),
            side={"type": "Linear", "weight": W},
            edges=[
                ("input", "fc"),
                ("fc", "lif"),
                ("lif", "next"),
                ("input", "side"),
                ("side", "next"),
                ("next", "output"),
            ],
        ),
        ", node next: gets from lif and from the input; expected branches of one layer of neurons: "
        "in the engine no signal passes by a layer",
    ),
    "two layers side by side": (
        tree(
            other=with_lif(),
            next=with_lif(),
            edges=[
                ("input", "fc"),
                ("fc", "lif"),
                ("fc", "other"),
                ("lif", "next"),
                ("other", "next"),
                ("next", "output"),
            ],
        ),
        ", node other: gets from the input, as lif does; expected neurons behind lif",
    ),
    "branches of other sizes": (
        tree(
            side={"type": "Linear", "weight": W[:2]},
            edges=[("input", "fc"), ("input", "side"), ("fc", "lif"), ("side", "lif"), ("lif", "output")],
        ),
        ", node lif: gets branches of 2 and 3 signals; expected equal numbers",
    ),
    "end that leads nowhere": (
        tree(
            side={"type": "Linear", "weight": W},
            edges=[("input", "fc"), ("input", "side"), ("fc", "lif"), ("lif", "output")],
        ),
        ", node side: sends to nothing; the signal ends at output",
    ),
    "synapses before the output": (
        tree(
            after={"type": "Linear", "weight": np.eye(3)},
            edges=[("input", "fc"), ("fc", "lif"), ("lif", "after"), ("after", "output")],
        ),
        ", node after: expected neurons (LIF, IF or LI) behind it",
    ),
    "headroom": (
        tree(lif=with_lif() | {"metadata": {"memtwin": '{"headroom": 3}'}}),
        ", node lif, headroom: expected a power of two from 2 to 1024 (thresholds), not 3",
    ),
    "loop": (tree(input=None, output=None, edges=[("fc", "lif"), ("lif", "fc")]), "expected one Input, not 0"),
    "loop aside": (
        tree(
            a=with_lif(),
            b=with_lif(),
            edges=[("input", "fc"), ("fc", "lif"), ("lif", "output"), ("a", "b"), ("b", "a")],
        ),
        ", node a: part of a loop",
    ),
    "loose node": (tree(edges=[("input", "fc"), ("lif", "output")]), ", node lif: nothing is sent to it"),
    "two inputs": (tree(lif={"type": "Input", "shape": [3]}), ": expected one Input, not 2 (input, lif)"),
    "damaged metadata": (tree() | {"metadata": {"memtwin": "{"}}, ", metadata memtwin: expected a JSON object"),
    "step": (tree() | {"metadata": {"memtwin": '{"dt": -1}'}}, ": dt: expected more than 0, not -1"),
    "bits": (tree() | {"metadata": {"memtwin": '{"weight_bits": "x"}'}}, "/weight_bits: expected a number"),
    "encoding": (
        tree() | {"metadata": {"memtwin": json.dumps({"encoding": {"mode": "rate", "values": [300]}})}},
        "/values: expected whole numbers from 0 to 255",
    ),
    "values that are a number": (tree() | own('{"encoding": {"values": 1000000000000}}'), "/values: expected whole"),
    "step beyond floats": (tree() | own(f'{{"dt": 1{"0" * 400}}}'), "/dt: expected a number"),
    "step of 5000 digits": (tree() | own(f'{{"dt": {"1" * 5000}}}'), ", metadata memtwin: expected a JSON object ("),
    "step that is none": (tree() | own('{"dt": NaN}'), "expected a JSON object (NaN is not finite)"),
    "two steps": (tree() | own('{"dt": 1, "dt": 2}'), "expected a JSON object ('dt' twice in an object)"),
    "deep metadata": (tree() | own("[" * 10**5), ", metadata memtwin: expected a JSON object ("),
    "negative shape": (
        tree(input={"type": "Input", "shape": [-2, -2]}),
        ", node input, shape: expected whole numbers of at least 1, not [-2.0, -2.0]",
    ),
    "shape beyond integers": (tree(input={"type": "Input", "shape": [1e300]}), ", node fc, weight: expected 1000"),
    "half a signal": (tree(input={"type": "Input", "shape": [4.5]}), ", node input, shape: expected whole numbers"),
    "digits for a number": (tree(lif=with_lif(tau=np.bytes_(b"1.0"))), ", node lif, tau: expected numbers, not |S3"),
    "many columns": (
        tree(fc={"type": "Linear", "weight": np.ones((3, 1025))}),
        "expected at most 1024 outputs and inputs",
    ),
    "weights without end": (
        chain_tree({"type": "Linear", "weight": 1e200 * np.eye(3)}, {"type": "Scale", "scale": np.full(3, 1e200)}),
        ", node b: the weights up to here multiply to what is no finite number",
    ),
    "escape bytes": (tree(fc={"type": "\x1b[2J", "weight": W}), ", node fc: \\x1b[2J is not supported"),
}


def test_complex_weights_are_refused_also_in_memory():
    weights = np.eye(3) * 1j
    with pytest.raises(InputError, match=r"node .*, weight: expected numbers, not complex128"):
        read_nir(chain(nir.Linear(weights), lif()))


def test_thousands_of_small_nodes_do_not_fill_the_memory():
    """Every Scale of 1024 signals is a matrix of a million weights, from a file of some kilobytes."""
    scales = [nir.Scale(np.ones(1024)) for _ in range(40)]
    with pytest.raises(InputError, match=r"expected at most 16777216 weights, those behind every node counted"):
        read_nir(chain(*scales, lif(1024)))


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_gives_one_line_that_names_it(tmp_path, name):
    content, message = MALFORMED[name]
    path = tmp_path / "net.nir"
    write_tree(path, content)
    with pytest.raises(InputError) as caught:
        read_nir(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_nir_file(tmp_path):
    path = tmp_path / "net.nir"
    with pytest.raises(InputError, match=r"net\.nir: cannot be read \(No such file"):
        read_nir(path)
    path.write_bytes(b"weights")
    with pytest.raises(InputError, match=r"net\.nir: expected a NIR file, undamaged \("):
        read_nir(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("node", data=1)
    with pytest.raises(InputError, match=r"net\.nir: expected a NIR file, with a group 'node' at the top"):
        read_nir(path)
    with pytest.raises(InputError, match="network nothing: expected a NIR file, or one of"):
        load_network("nothing")


def test_no_truncated_file_gives_anything_but_one_line(tmp_path):
    path = tmp_path / "net.nir"
    write_nir(random_network(0), path)
    content = path.read_bytes()
    for size in range(0, len(content), 997):
        path.write_bytes(content[:size])
        with pytest.raises(InputError) as caught:
            read_nir(path)
        assert "\n" not in str(caught.value)


def test_an_array_that_cannot_be_is_not_read(tmp_path):
    path = tmp_path / "net.nir"
    write_tree(path, tree())
    with h5py.File(path, "a") as file:
        del file["node/nodes/fc/weight"]
        file.create_dataset("node/nodes/fc/weight", shape=(2**20, 2**20), chunks=(64, 64), dtype="f4")
    with pytest.raises(InputError, match=r"nodes/fc/weight: expected all chunks, at most 16384, not 268435456"):
        read_nir(path)


def test_a_value_that_cannot_be_represented_names_the_node(tmp_path):
    write_tree(tmp_path / "net.nir", tree(lif=with_lif(tau=1e6)))
    with pytest.raises(InputError, match=r"net\.nir, node lif, tau: expected at most"):
        read_nir(tmp_path / "net.nir", dt=1e-3).json()
