"""Op-amp neurons: what a circuit consists of, and the pipeline that takes one neuron through one substep."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.delay_line import delayed
from memtwin.hdl.opamp.dynamic_memristor import STATE, DynamicMemristors
from memtwin.hdl.opamp.logarithm import LOG, Exp2, Log2, LogSum, clip_to_log, log_word
from memtwin.hdl.opamp.ts_memristor import COURSE, TsMemristor

__all__ = ["FIRSTS", "SECONDS", "OpampCircuit", "OpampNeuron"]

FIRSTS = ("resistor", "dynamic")
SECONDS = ("switch", "series", "parallel")


@dataclass(frozen=True, kw_only=True)
class OpampCircuit:
    """What is fixed when the gateware of an op-amp neuron is generated (docs/opamp-arithmetic.md, section 1).

    Attributes
    ----------
    first : str
        Feedback of the first amplifier, one of `FIRSTS`: a resistor or a dynamic memristor.
    second : str
        What lies before the resistor R_1, one of `SECONDS`: the threshold-switching memristor alone, or with a
        dynamic memristor in series or in parallel.
    terminal : bool
        The first voltage terminal is not ground.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or is not one of its values.
    """

    first: str
    second: str
    terminal: bool = False

    def __post_init__(self) -> None:
        for name, values in (("first", FIRSTS), ("second", SECONDS)):
            value = getattr(self, name)
            if value not in values:
                raise ValueError(f"{name} must be one of {', '.join(values)}, not {value!r}")
        if not isinstance(self.terminal, bool):
            raise TypeError(f"terminal must be a bool, not {self.terminal!r}")

    @property
    def memristors(self) -> tuple[str, ...]:
        """Places that hold a dynamic memristor, of ``"first"`` and ``"second"``."""
        taken = {"first": self.first == "dynamic", "second": self.second != "switch"}
        return tuple(place for place, dynamic in taken.items() if dynamic)

    @property
    def scalars(self) -> tuple[str, ...]:
        """Names of the circuit's coefficients of one word."""
        return (
            *(("r2_log",) if self.first == "resistor" else ()),
            "v_sat_log",
            *(("v1",) if self.terminal else ()),
            "r1_log",
            "r_off_log",
            "v_hold_log",
            "swing",
            "rise",
            "fall",
            "rise_per_fall",
            "fall_per_rise",
            *(
                pattern.format(place)
                for pattern in ("exponent_{}", "v_floor_{}_log", "growth_{}_log", "leak_{}", "span_{}")
                for place in self.memristors
            ),
        )

    @property
    def per_neuron(self) -> tuple[str, ...]:
        """Names of the circuit's coefficients of one word per neuron."""
        return (*(f"r0_{place}_log" for place in self.memristors), "v_th_log")


class OpampNeuron(wiring.Component):
    """Datapath of one substep of an op-amp neuron, one neuron after the next.

    The first amplifier makes ``v_out1`` of the current and the first resistance; what it differs from the first voltage
    terminal drops over the switching memristor, the memristor next to it, if there is one, and R_1; with their voltages
    the memristors move on. All quantities are logarithms, so that products are sums and nothing is divided::

        v_out1 = min(saturate(current + first - (16 << 13)), v_sat), 0 if current = 0
        drop   = v_out1, or LOG2(abs(EXP2(v_out1) - (v1 << 6))) with the terminal
        v_out2 = saturate(drop + r1 - total)

    With the terminal `v_sat` must be below 16 V, for which ``EXP2`` has its 24 bits.

    Latency: `latency` clocks from `valid` to `o_valid`, 9 to 24 by circuit. Throughput: one neuron per clock. Two
    dynamic memristors take turns: then a neuron must be presented for two clocks or more in a row, and `o_u_first` and
    `o_u_second` are valid from the second of its clocks on; the other results are valid in every clock.

    One SB_MAC16 for the switch and two for dynamic memristors.

    Parameters
    ----------
    circuit : OpampCircuit
        Structure.

    Members
    -------
    valid : In(1)
        A neuron is presented.
    current : In(18)
        Current into it, log word.
    s : In(signed(17)), on : In(1)
        State of its switching memristor (see `TsMemristor`).
    u_first, u_second : In(27)
        States of its dynamic memristors (see `DynamicMemristors`); only those that the circuit has.
    <name> : In(16)
        Each of ``circuit.per_neuron``, presented with the state; each of ``circuit.scalars``, stable.
    o_valid : Out(1)
        The results are valid.
    o_v_out1, o_v_out2 : Out(18)
        Outputs of the amplifier and of the neuron, log words.
    o_below : Out(1)
        The amplifier's output is below the first voltage terminal.
    o_s : Out(signed(17)), o_on : Out(1), o_u_first, o_u_second : Out(27)
        New states.
    o_set : Out(1)
        The switching memristor was off and is on.

    Source: us12387090, Figs. 4 to 7; docs/opamp-arithmetic.md, section 6.
    """

    v_th_log: Signal
    v_sat_log: Signal
    v1: Signal
    r1_log: Signal
    r2_log: Signal

    def __init__(self, circuit: OpampCircuit) -> None:
        if not isinstance(circuit, OpampCircuit):
            raise TypeError(f"circuit must be an OpampCircuit, not {circuit!r}")
        self.circuit = circuit
        # Clocks from `valid` to the words that the paths share: the amplifier's output; the drop; the total resistance;
        # the voltages, which take two clocks from the later of these.
        self._v_out1_at = 2 + (DynamicMemristors.resistance_latency if circuit.first == "dynamic" else 0)
        self._drop_at = self._v_out1_at + (Exp2.latency + 1 + Log2.latency if circuit.terminal else 0)
        self._total_at = TsMemristor.resistance_latency + LogSum.latency * (1 if circuit.second == "switch" else 2)
        self._voltage_at = max(self._drop_at, self._total_at) + 2
        # The first memristor follows the amplifier and may have to wait for the rest.
        ends = [self._voltage_at + 2]
        if circuit.first == "dynamic":
            ends.append(self._v_out1_at + DynamicMemristors.growth_latency)
        if circuit.second != "switch":
            ends.append(self._voltage_at + DynamicMemristors.growth_latency)
        self.latency = max(ends)
        u = [f"u_{place}" for place in circuit.memristors]
        super().__init__(
            {
                "valid": In(1),
                "current": In(LOG),
                "s": In(COURSE),
                "on": In(1),
                **{name: In(STATE) for name in u},
                **{name: In(16) for name in (*circuit.per_neuron, *circuit.scalars)},
                "o_valid": Out(1),
                "o_v_out1": Out(LOG),
                "o_v_out2": Out(LOG),
                "o_below": Out(1),
                "o_s": Out(COURSE),
                "o_on": Out(1),
                "o_set": Out(1),
                **{f"o_{name}": Out(STATE) for name in u},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Join the devices."""
        m = Module()
        circuit, latency, voltage_at = self.circuit, self.latency, self._voltage_at
        valid = Signal(latency)
        m.d.sync += valid.eq(Cat(self.valid, valid))
        m.d.comb += self.o_valid.eq(valid[-1])

        # Devices.
        m.submodules.ts_memristor = switch = TsMemristor(voltage_at, latency)
        m.d.comb += [
            *(getattr(switch, name).eq(getattr(self, name)) for name in ("s", "on", "v_th_log", *_SWITCH)),
            *(getattr(self, name).eq(getattr(switch, name)) for name in ("o_s", "o_on", "o_set")),
        ]
        rm: dict[str, Signal] = {}
        voltage: dict[str, Signal] = {}
        if circuit.memristors:
            memristors = DynamicMemristors(circuit.memristors, latency - DynamicMemristors.growth_latency)
            m.submodules.memristors = memristors
            for name, member in memristors.signature.members.items():
                if name.startswith(("rm_", "voltage_")):
                    continue
                inside, outside = getattr(memristors, name), getattr(self, name)
                m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
            rm = {place: getattr(memristors, f"rm_{place}") for place in circuit.memristors}
            voltage = {place: getattr(memristors, f"voltage_{place}") for place in circuit.memristors}

        v_out1 = self._amplifier(m, rm.get("first"))
        drop: Value = v_out1
        below: Value = Const(0, 1)
        if circuit.terminal:
            drop, below = self._terminal(m, v_out1)
        rt = switch.rt
        rt_at = switch.resistance_latency
        parallel, parallel_at, total = self._resistances(m, rt, rm.get("second"))

        # Voltages: the drop in the ratio of one resistance to the total one. No ratio is above 1.
        both_at = voltage_at - 2
        (drop,) = delayed(m, "drop", both_at - self._drop_at, drop)
        (total,) = delayed(m, "total", both_at - self._total_at, total)
        per_total = Signal(signed(19))
        m.d.sync += per_total.eq(drop - total)

        def share(name: str, resistance: Value) -> Signal:
            voltage = Signal(LOG, name=name)
            clip_to_log(m, voltage, (per_total + resistance)[:19].as_signed())
            return voltage

        (parallel,) = delayed(m, "parallel", both_at + 1 - parallel_at, parallel)
        v_t = share("v_t", parallel)
        v_out2 = share("v_out2", log_word(self.r1_log))
        m.d.comb += switch.voltage.eq(v_t)
        if circuit.second == "parallel":
            m.d.comb += voltage["second"].eq(v_t)
        elif circuit.second == "series":
            (rm_second,) = delayed(m, "rm", both_at + 1 - rt_at, rm["second"])
            m.d.comb += voltage["second"].eq(share("v_second", rm_second))
        if circuit.first == "dynamic":
            wait = latency - DynamicMemristors.growth_latency - self._v_out1_at
            (first_voltage,) = delayed(m, "v_first", wait, v_out1)
            m.d.comb += voltage["first"].eq(first_voltage)

        # Results at the same time.
        (o_v_out1,) = delayed(m, "v_out1", latency - self._v_out1_at, v_out1)
        (o_v_out2,) = delayed(m, "v_out2", latency - voltage_at, v_out2)
        (o_below,) = delayed(m, "below", latency - self._drop_at, below) if circuit.terminal else (below,)
        m.d.comb += [self.o_v_out1.eq(o_v_out1), self.o_v_out2.eq(o_v_out2), self.o_below.eq(o_below)]
        return m

    def _amplifier(self, m: Module, rm: Signal | None) -> Signal:
        """Output of the first amplifier, two clocks after the first resistance."""
        if rm is None:
            resistance, current = log_word(self.r2_log), self.current
        else:
            resistance = rm
            (current,) = delayed(m, "current", DynamicMemristors.resistance_latency, self.current)
        total = Signal(19)
        idle = Signal()
        m.d.sync += [total.eq(current + resistance), idle.eq(current == 0)]

        # `total` minus 2**17; its two top bits tell whether that is negative, a log word, or more.
        top = total[17:]
        level = Cat(total[:17], top == 2)
        limit = log_word(self.v_sat_log)
        v_out1 = Signal(LOG)
        m.d.sync += v_out1.eq(Mux((top == 3) | (level > limit), limit, level))
        with m.If((top == 0) | idle):
            m.d.sync += v_out1.eq(0)
        return v_out1

    def _terminal(self, m: Module, v_out1: Signal) -> tuple[Value, Value]:
        """What `v_out1` differs from the first voltage terminal, and whether it is below it, `Log2.latency` earlier."""
        m.submodules.exp2 = exp2 = Exp2(24)
        m.submodules.log2 = log2 = Log2(24)
        terminal = Cat(Const(0, 6), self.v1)
        above = Signal(signed(25))
        beneath = Signal(24)
        m.d.comb += [exp2.i.eq(v_out1), exp2.zero.eq(v_out1 == 0)]
        # Both differences, so that only a choice follows.
        m.d.sync += [above.eq(exp2.o - terminal), beneath.eq(terminal - exp2.o)]
        m.d.comb += log2.i.eq(Mux(above[-1], beneath, above[:24]))
        (below,) = delayed(m, "below_terminal", Log2.latency, above[-1])
        return log2.o, below

    def _resistances(self, m: Module, rt: Signal, rm: Signal | None) -> tuple[Value, int, Value]:
        """Resistance across the switching memristor, its clock, and the total one."""
        at = TsMemristor.resistance_latency
        r1 = log_word(self.r1_log)
        m.submodules.series = total = LogSum(parallel=False)
        m.d.comb += total.b.eq(r1)
        if rm is None:
            m.d.comb += total.a.eq(rt)
            return rt, at, total.o
        is_parallel = self.circuit.second == "parallel"
        m.submodules.pair = pair = LogSum(parallel=is_parallel)
        m.d.comb += [pair.a.eq(rm), pair.b.eq(rt), total.a.eq(pair.o)]
        return (pair.o, at + pair.latency, total.o) if is_parallel else (rt, at, total.o)


# Scalar coefficients of the switching memristor.
_SWITCH = ("r_off_log", "v_hold_log", "swing", "rise", "fall", "rise_per_fall", "fall_per_rise")
