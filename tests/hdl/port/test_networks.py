"""What the networks of all kinds say to whoever shows them something."""

import pytest

import memtwin as mt
from memtwin.own.design import OwnDesign
from memtwin.sim.kinds import KINDS, kind_of
from tests.hdl.helpers import simulate


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_is_idle_until_a_presentation_is_offered(kind):
    design = OwnDesign(mt.Network([getattr(mt, kind).Layer(inputs=2, neurons=1)]))
    own = kind_of(design.spec).gateware()
    network = own.network(own.structure(design.spec, design.coefficients), design.words)

    async def bench(ctx):
        await ctx.tick().until(network.idle)
        await ctx.tick().repeat(3)
        assert ctx.get(network.idle)
        ctx.set(network.presentations.valid, 1)
        assert not ctx.get(network.idle)  # at once: who offers and looks must not take it for the end
        await ctx.tick()
        assert not ctx.get(network.idle)

    simulate(network, bench)
