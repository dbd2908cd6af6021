"""What the type checker sees of the ports of components, which are declared in their signatures alone."""

import re
from pathlib import Path

from mypy import api

_SOURCE = """
from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

LEVELS = ("l1", "l2")

class BusPort(wiring.PureInterface):
    pass

class Bus(wiring.Signature):
    def __init__(self) -> None:
        super().__init__({"enable": Out(1)})

    def create(self, *, path: tuple[str | int, ...] = (), src_loc_at: int = 0) -> BusPort:
        return BusPort(self, path=path, src_loc_at=1 + src_loc_at)

class Part(wiring.Component):
    flags: data.View

    def __init__(self, width: int, paced: bool) -> None:
        super().__init__(
            {
                "start": In(width, init=1),
                "bus": In(Bus()),
                "o": Out(stream.Signature(8)),
                "flags": Out(data.StructLayout({"on": 1})),
                **({"tick": In(1)} if paced else {}),
                **{name: Out(1) for name in (*LEVELS, "busy")},
            }
        )

class Derived(Part):
    pass

part = Derived(3, True)
reveal_type(part.start)
reveal_type(part.bus)
reveal_type(part.bus.enable)
reveal_type(part.o.valid)
reveal_type(part.flags)
reveal_type(part.tick)
reveal_type(part.l2)
reveal_type(part.busy)
reveal_type(Signal(data.StructLayout({"on": 1})))
reveal_type(Signal(3))
part.strat
part.bus.enabel
"""
_CONFIGURATION = f"""
[mypy]
plugins = {Path(__file__).with_name("port_types.py")}
"""


def test_the_ports_of_a_signature_are_typed_attributes(tmp_path):
    source, configuration = tmp_path / "part.py", tmp_path / "mypy.ini"
    source.write_text(_SOURCE)
    configuration.write_text(_CONFIGURATION)
    told, problems, status = api.run(["--config-file", str(configuration), "--cache-dir", str(tmp_path), str(source)])
    assert not problems
    assert status == 1
    assert re.findall(r'Revealed type is "(.*)"', told) == [
        "amaranth.hdl._ast.Signal",
        "part.BusPort",
        "amaranth.hdl._ast.Signal",
        "amaranth.hdl._ast.Value",
        "amaranth.lib.data.View[Any]",
        "amaranth.hdl._ast.Signal",
        "amaranth.hdl._ast.Signal",
        "amaranth.hdl._ast.Signal",
        "amaranth.lib.data.View[amaranth.lib.data.StructLayout]",
        "amaranth.hdl._ast.Signal",
    ]
    misspelt = re.findall(r'error: "(.*)" has no attribute "(\w*)"', told)
    assert misspelt == [("Derived", "strat"), ("BusPort", "enabel")]
