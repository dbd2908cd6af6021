"""What a network remembers from one presentation to the next, on every backend with words (docs/link.md, section 5)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError

__all__ = ["State", "join"]

State = Mapping[str, NDArray[np.int64]]  # words (trials, words) by window, such as "layer1.theta"


def join(states: Sequence[State], like: State) -> dict[str, NDArray[np.int64]]:
    """Put the trials of several states one after the other.

    Parameters
    ----------
    states : sequence of State
        States of networks of equal structure.
    like : State
        A state of all these trials, for the names and numbers of words.

    Raises
    ------
    InputError
        If a state is of another network, or of other trials.
    """
    for state in states:
        if set(state) != set(like):
            odd = min(set(state) ^ set(like))
            what = f"no {odd}" if odd in state else f"{odd}, which is missing"
            raise InputError(f"state: expected {what}; it is of another network")
    out = {}
    for name, words in like.items():
        parts = [np.asarray(state[name], dtype=np.int64) for state in states]
        fit = all(part.ndim == 2 and part.shape[1] == words.shape[1] for part in parts)
        if not fit or sum(map(len, parts)) != len(words):
            raise InputError(
                f"state {name}: expected {words.shape[1]} words in {words.shape[0]} trials, not the shape "
                f"{' and '.join(str(part.shape) for part in parts)}; it is of another network, or of other trials"
            )
        out[name] = np.concatenate(parts)
    return out
