"""What an experiment is: a plan of runs, an analysis of their recordings, and figures.

The plan does not depend on the backend, so that the same experiment runs at every level and two levels can be compared
run by run.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.cards import Card, load_card
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.option import MOST, Option
from memtwin.sim.hybrid.spec import MOST_SUBSTEPS, LayerSpec, NetworkSpec
from memtwin.sim.kinds import card_types
from memtwin.sim.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CARDS", "COMMON", "Experiment", "Measured", "Settings", "every_field"]

SPREADS = ("_c2c", "_d2d")
"""How the names of fields end that are spreads."""

Measured = Mapping[str, NDArray]

# Default cards of the experiments on hybrid neurons; what a card is in the experiment, is its kind.
CARDS: Mapping[str, str] = {
    "threshold switch": "ag-sio2",
    "synapse": "ta-hfo2",
    "hybrid neuron": "hybrid-neuron",
    "inhibition array": "lia",
}

# What every experiment on hybrid neurons takes.
COMMON: Mapping[str, Option] = {
    "substeps": Option(16, "", "device updates per half-period, a power of two", most=MOST_SUBSTEPS)
}


def every_field(kind: str) -> Set[str]:
    """Every field of a kind of card, of an experiment in which nothing depends on it."""
    return card_types()[kind].fields.keys()


@dataclass
class Settings:
    """What a user asked for, checked: cards by what they are in the experiment, options by name, seed, trials, spread.

    `warnings` say what has no influence. `trials` is None where the user did not say; each experiment has its own
    default.
    """

    cards: dict[str, Card] = field(default_factory=lambda: {role: load_card(name) for role, name in CARDS.items()})
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    trials: int | None = None
    spread: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def device(self) -> Card:
        """Threshold switch."""
        return self.cards["threshold switch"]

    @property
    def synapse(self) -> Card:
        """RS synapse."""
        return self.cards["synapse"]

    @property
    def neuron(self) -> Card:
        """Circuit of the hybrid neuron."""
        return self.cards["hybrid neuron"]

    @property
    def lia(self) -> Card:
        """Lateral inhibition array."""
        return self.cards["inhibition array"]

    def network(self, *layers: LayerSpec, neuron: Card | None = None, longer: int = 1, **others: Any) -> NetworkSpec:
        """Network of `layers` on these cards.

        `neuron` replaces the neuron's card; a half-period has `longer` times as many substeps; `others` are
        `c2c`, `d2d` and `group` of `NetworkSpec`.
        """
        return NetworkSpec(
            layers=layers,
            device=self.device,
            synapse=self.synapse,
            neuron=neuron or self.neuron,
            lia=self.lia,
            substeps=longer * self.options["substeps"],
            **others,
        )


class Experiment(ABC):
    """One experiment of a source document."""

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    cards: ClassVar[Mapping[str, str]] = CARDS
    repeated: ClassVar[Literal["always", "with spread", "never"]] = "never"  # when trials differ from each other
    drawn: ClassVar[Collection[str]] = ()  # names of the runs that have all trials; the others show the nominal devices
    always_spread: ClassVar[bool] = False  # the spreads of the cards apply without being asked for, too
    idle: ClassVar[Mapping[str, Collection[str]]] = {}  # fields of its cards on which nothing depends
    common: ClassVar[Mapping[str, Option]] = COMMON
    options: ClassVar[Mapping[str, Option]] = {}
    only_for_figures: ClassVar[Collection[str]] = ()  # names of runs that have no influence on the results

    @property
    def all_options(self) -> dict[str, Option]:
        """Options that it shares with its like, and its own."""
        return {**self.common, **self.options}

    def settings(
        self,
        *,
        cards: Sequence[str | Path | Card] = (),
        assignments: Sequence[str] = (),
        seed: int = 0,
        trials: int | None = None,
        spread: bool = False,
    ) -> Settings:
        """Resolve card files and ``NAME=VALUE`` assignments; a name is an option of the experiment or a card field.

        A name that several cards have is written with the card: ``lia.g_load=10uS``.

        Raises
        ------
        InputError
            If a card or name is unknown, or a value does not fit.
        """
        self._check_trials(seed, trials, spread)
        given = self._replace_cards(cards)
        options, fields = self._sort(assignments, given)
        out = Settings(
            # All fields at once, because those of a card may only make sense together.
            cards={role: card.replace(**fields.get(role, {})) for role, card in given.items()},
            options={name: option.default for name, option in self.all_options.items()} | options,
            seed=seed,
            trials=trials,
            spread=spread,
        )
        out.warnings = self._idle(cards, fields, out)
        return out

    def assignments(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Write options and card fields, by name, as ``NAME=VALUE``; numbers are in SI units."""
        units = {own: rule.unit for name in self.cards.values() for own, rule in load_card(name).fields.items()}
        units |= {name: rule.unit for name, rule in self.all_options.items()}
        out = []
        for name, value in options.items():
            text = str(value)
            if isinstance(value, bool):
                text = "on" if value else "off"
            elif isinstance(value, Real):
                unit = units.get(name.rpartition(".")[2], "")
                text = f"{value}{unit}" if isinstance(value, Integral) else f"{float(value)!r}{unit}"
            out.append(f"{name}={text}")
        return tuple(out)

    def _check_trials(self, seed: int, trials: int | None, spread: bool) -> None:
        """Refuse trials that cannot be, or would all be the same."""
        if trials is not None and not 1 <= trials <= MOST:
            bound = "at least 1" if trials < 1 else f"at most {MOST}"
            raise InputError(f"option --trials: expected {bound}, not {trials}")
        if not 0 <= seed < 2**63:
            raise InputError(f"option --seed: expected {'zero or more' if seed < 0 else 'less than 2**63'}, not {seed}")
        if self.repeated == "never" and (spread or (trials or 1) > 1):
            option = "--spread" if spread else "--trials"
            raise InputError(
                f"option {option}: {self.name} is on nominal devices, every trial is the same; leave it out"
            )
        if self.repeated == "with spread" and not spread and (trials or 1) > 1:
            raise InputError(f"option --trials: without --spread every trial of {self.name} is the same; add --spread")

    def _replace_cards(self, names: Sequence[str | Path | Card]) -> dict[str, Card]:
        """Put the cards of a user in the place of those of their kind."""
        out = {role: load_card(name) for role, name in self.cards.items()}
        given: dict[str, str | Path | Card] = {}  # by kind
        for name in names:
            card = load_card(name)
            roles = [role for role, default in out.items() if default.kind == card.kind]
            if not roles:
                kinds = ", ".join(sorted({default.kind for default in out.values()}))
                raise InputError(
                    f"option --card: {self.name} takes cards of kind {kinds}; {card.name} is of kind {card.kind}"
                )
            if card.kind in given:
                raise InputError(
                    f"option --card: expected one {card.kind}, not {given[card.kind]} and {name}; give one of them"
                )
            given[card.kind] = name
            out |= dict.fromkeys(roles, card)
        return out

    def _sort(
        self, assignments: Sequence[str], cards: Mapping[str, Card]
    ) -> tuple[dict[str, Any], dict[str, dict[str, str | float]]]:
        """Sort assignments into options, parsed, and fields of cards, by what the card is in the experiment."""
        options: dict[str, Any] = {}
        fields: dict[str, dict[str, str | float]] = defaultdict(dict)
        for assignment in assignments:
            name, separator, value = assignment.partition("=")
            if not separator or not name or not value:
                raise InputError(f"option --set: expected NAME=VALUE such as v_in=1.6V, not {assignment!r}")
            if name in self.all_options:
                if name in options:
                    raise InputError(f"option --set: {name} is given twice; give it once")
                options[name] = self.all_options[name].parse(name, value)
                continue
            own = name.rpartition(".")[2]
            for role in self._roles(name, cards):
                if own in fields[role]:
                    raise InputError(f"option --set: {own} of the card {cards[role].name} is given twice; give it once")
                fields[role][own] = value
        return options, fields

    def _roles(self, name: str, cards: Mapping[str, Card]) -> list[str]:
        """Find the places of the card of which a name is a field."""
        roles = [role for role, card in cards.items() for own in card.fields if name in (own, f"{card.name}.{own}")]
        if not roles:
            known = [*self.all_options, *sorted({field for card in cards.values() for field in card.fields})]
            raise InputError(f"option --set: unknown name {name}; expected one of {', '.join(known)}")
        names = sorted({cards[role].name for role in roles})
        if len(names) > 1:
            choice = " or ".join(f"{card}.{name}" for card in names)
            raise InputError(f"option --set: {name} is on several cards; write {choice}")
        return roles

    def idle_fields(self, settings: Settings) -> Mapping[str, Collection[str]]:
        """Fields of its cards on which nothing depends, by what the card is."""
        return self.idle

    def _idle(
        self, names: Sequence[str | Path | Card], fields: Mapping[str, Mapping[str, Any]], settings: Settings
    ) -> tuple[str, ...]:
        """Say which cards and fields that a user gave have no influence on the experiment."""
        idle = {role: set(self.idle_fields(settings).get(role, ())) for role in settings.cards}
        spreads = self.always_spread or settings.spread
        lines = []
        for role, changed in fields.items():
            for changed_field in changed:
                name = f"{settings.cards[role].name}.{changed_field}"
                if changed_field in idle[role]:
                    lines.append(f"option --set: nothing in {self.name} depends on {name}")
                elif changed_field.endswith(SPREADS) and not spreads:
                    why = "has no spread" if self.repeated == "never" else "applies spreads with --spread only"
                    lines.append(f"option --set: nothing depends on {name} here, because {self.name} {why}")
        for given in names:
            kind = load_card(given).kind
            used = [
                role for role, card in settings.cards.items() if card.kind == kind and idle[role] < set(card.fields)
            ]
            if not used:
                lines.append(f"option --card: nothing in {self.name} depends on the {kind} {given}")
        return tuple(dict.fromkeys(lines))

    @abstractmethod
    def plan(self, settings: Settings) -> dict[str, Job]:
        """Name the runs of the experiment."""

    def networks(self, settings: Settings) -> dict[str, Job]:
        """Name the runs as far as their networks go: what is shown may be another, where that takes long to find."""
        return self.plan(settings)

    def measure(self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Recording]) -> Measured:
        """Measure every trial: arrays of which the first axis is the trial, by name.

        All that the results say of trials, so that recordings need not be kept: trials are run in blocks, and what is
        measured in each is joined.
        """
        return {}

    @abstractmethod
    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Turn what was measured into results (JSON values), with the keys that scripts depend on.

        `runs` and `recordings` are those of the nominal devices and of the first trials; times, clocks and saturations
        of the recordings are those of all trials.
        """

    def analyse(
        self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Recording]
    ) -> dict[str, Any]:
        """Turn recordings of all trials into results."""
        return self.summarise(settings, runs, recordings, self.measure(settings, runs, recordings))

    @abstractmethod
    def figures(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        results: Mapping[str, Any],
    ) -> "dict[str, Figure]":
        """Draw figures, by file name without suffix."""
