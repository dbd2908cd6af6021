import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.sim.errors import InputError
from memtwin.sim.experiments.patterns import load_patterns, parse_patterns, pattern_names


def test_parses_pixels_pattern_by_pattern():
    text = "\n.#.\n###\n\n\n#.#  \n.#.\r\n"
    assert parse_patterns(text, "x").tolist() == [[[0, 1, 0], [1, 1, 1]], [[1, 0, 1], [0, 1, 0]]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x: expected 2 to 32 patterns with a blank line between them, not 0"),
        ("#.\n", "x: expected 2 to 32 patterns with a blank line between them, not 1"),
        ("\n\n".join(f"{n:07b}".replace("0", ".").replace("1", "#") for n in range(1, 34)), "patterns .* not 33"),
        ("#.\n.#\n\n#.\n##.\n", "x, line 5: expected 2 pixels as in line 1, not 3"),
        ("\n\n#.\n.#\n\n##\n", "x, line 6: expected 2 rows as in the first pattern, not 1"),
        ("#.\n\n.o\n", r"x, line 3: expected only # \(black\) and . \(white\), not 'o'"),
        ("# .\n\n.##\n", "x, line 1: expected only # .* not ' '"),
        ("#.\n\n..\n", "x, line 3: expected a pattern with at least one black pixel"),
        ("#.\n\n##\n\n#.\n", "x, line 5: expected a new pattern, not that of line 1 again"),
    ],
)
def test_one_line_says_what_is_wrong(text, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_patterns(text, "x")
    assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_what_is_written_is_read(data):
    count, height, width = data.draw(st.tuples(st.integers(2, 32), st.integers(1, 7), st.integers(6, 9)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    numbers = 1 + rng.choice(2**6 - 1, count, replace=False)  # the first row tells the patterns apart
    patterns = (rng.random((count, height, width)) < 0.5).astype(np.uint8)
    patterns[:, 0] = 0
    patterns[:, 0, :6] = numbers[:, None] >> np.arange(6) & 1
    text = "\n\n".join("\n".join("".join(".#"[pixel] for pixel in row) for row in pattern) for pattern in patterns)
    assert (parse_patterns(text, "x") == patterns).all()


def test_files(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("#.\n\n.#\n")
    assert load_patterns(path).shape == (2, 1, 2)
    path.write_bytes(b"\xff\xfe#")
    with pytest.raises(InputError, match="UTF-8"):
        load_patterns(path)
    with pytest.raises(InputError, match=r"pattern file .*none.txt: cannot be read"):
        load_patterns(tmp_path / "none.txt")
    with pytest.raises(InputError, match=r"option patterns: expected one of digits, .* not 'numbers'"):
        load_patterns("numbers")


@pytest.mark.parametrize(
    ("name", "shape"), [("digits", (6, 5)), ("letters", (6, 5)), ("shapes", (8, 8)), ("font7x5", (7, 5))]
)
def test_shipped_patterns(name, shape):
    assert name in pattern_names()
    assert load_patterns(name).shape == (10, *shape)


def test_digits_have_thick_strokes_and_the_close_pairs_of_the_paper():
    digits = load_patterns("digits").reshape(10, -1).astype(int)
    black = digits.sum(axis=1)
    assert black.min() >= 13
    assert black.max() <= 18
    distance = (digits[:, None] != digits).sum(axis=2)
    pairs = sorted((distance[i, j], i, j) for i in range(10) for j in range(i))
    assert [(i, j) for _, i, j in pairs[:2]] == [(6, 5), (9, 8)]
    assert pairs[2][0] > pairs[1][0]  # strictly the closest
