"""What the generators of all kinds draw from."""

import numpy as np

# Few and small: structure, not size, is what is drawn. Powers of two and their neighbours are all there.
_SIZES = (1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9)


class Dice:
    """Draws of one job, from a seed of its own."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind, self.seed = kind, seed
        self.rng = np.random.default_rng([seed, *kind.encode()])

    def pick(self, *choices):
        """One of several values, which keep their type."""
        return choices[self.rng.integers(len(choices))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def log(self, low: float, high: float, shape=None):
        """Number, or array, whose logarithm is uniform."""
        values = np.exp(self.rng.uniform(np.log(low), np.log(high), shape))
        return float(values) if shape is None else values

    def sizes(self) -> list[int]:
        """Rows of layer 1, and neurons of each of one to three layers."""
        layers = self.pick(1, 1, 2, 2, 3)
        return [self.size() for _ in range(layers + 1)]

    def size(self) -> int:
        return self.pick(*_SIZES)

    def lanes(self, neurons: int) -> int:
        """Power of two of at most `neurons`."""
        return 1 << int(self.rng.integers(neurons.bit_length()))

    def bits(self, probability: float, *shape: int):
        return (self.rng.random(shape) < probability).astype(np.uint8)

    def card(self, card, spread: float = 2.0, **ranges):
        """Card with about half of its fields changed: by up to a factor `spread`, or in the range that is given.

        What the card refuses is drawn again, which is up to the caller (`InputError`).
        """
        changed = {}
        for name, field in card.fields.items():
            if self.chance(0.5) and name in ranges:
                changed[name] = float(self.rng.uniform(*ranges[name]))
            elif self.chance(0.5) and field.value > 0 and name not in ranges:
                changed[name] = field.value * self.log(1 / spread, spread)
        return card.replace(**changed)
