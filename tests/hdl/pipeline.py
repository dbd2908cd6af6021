"""Feeds a pipelined part, one item a clock."""

from tests.hdl.helpers import simulate


def stream(dut, items, outputs, *, late=None, stable=None):
    """Present `items`, one a clock, and take `outputs` at their latencies.

    Parameters
    ----------
    dut : Component
        Part.
    items : list of dict
        Values of the inputs, by name.
    outputs : dict of str to int
        Outputs to take, and clocks after their item.
    late : dict of str to int
        Inputs that are presented so many clocks later than the rest of their item.
    stable : dict of str to int
        Inputs that do not change.

    Returns
    -------
    list of dict
        Outputs of each item.
    """
    late = late or {}
    results = [{} for _ in items]

    async def bench(ctx):
        for name, value in (stable or {}).items():
            ctx.set(getattr(dut, name), value)
        for clock in range(len(items) + max(outputs.values())):
            for name, delay in outputs.items():
                if 0 <= clock - delay < len(items):
                    results[clock - delay][name] = ctx.get(getattr(dut, name))
            for name in items[0]:
                at = clock - late.get(name, 0)
                if 0 <= at < len(items):
                    ctx.set(getattr(dut, name), items[at][name])
            await ctx.tick()
        clock += 1
        for name, delay in outputs.items():
            if 0 <= clock - delay < len(items):
                results[clock - delay][name] = ctx.get(getattr(dut, name))

    simulate(dut, bench)
    return results
