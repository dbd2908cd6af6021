import pytest

from memtwin.boards.pll import Ecp5Pll, GowinPll, Ice40Pll, Limits, find_pll

GW1NR = Limits(detector=(3, 400), vco=(400, 1200))


def test_formulas():
    # As icepll prints them for 12 to 30 MHz, ecppll for 25 to 60 MHz, and gowin_pll for 27 to 108 MHz.
    assert Ice40Pll(divr=0, divf=79, divq=5).output_hz(12_000_000) == 30e6
    assert Ice40Pll(divr=0, divf=79, divq=5).vco_hz(12_000_000) == 960e6
    assert Ice40Pll(divr=0, divf=79, divq=5).filter_range(12_000_000) == 1
    assert Ecp5Pll(clki_div=5, clkfb_div=12, clkop_div=10).output_hz(25_000_000) == 60e6
    assert Ecp5Pll(clki_div=5, clkfb_div=12, clkop_div=10).vco_hz(25_000_000) == 600e6
    assert GowinPll(idiv=1, fbdiv=4, odiv=8).output_hz(27_000_000) == 108e6
    assert GowinPll(idiv=1, fbdiv=4, odiv=8).vco_hz(27_000_000) == 864e6


# The settings with the highest frequency at the phase detector.
@pytest.mark.parametrize(
    ("input_mhz", "output_mhz", "settings", "filter_range"),
    [
        (12, 30, (0, 79, 5), 1),
        (12, 39, (0, 51, 4), 1),
        (16, 25, (0, 49, 5), 1),
        (25, 30, (4, 191, 5), None),  # divf is out of range: no such settings
        (100, 40, (4, 31, 4), 2),
        (48, 30, (0, 19, 5), 4),
    ],
)
def test_ice40(input_mhz, output_mhz, settings, filter_range):
    pll = find_pll(Ice40Pll, input_mhz * 10**6, output_mhz * 10**6, Ice40Pll.LIMITS)
    if filter_range is None:
        assert pll.output_hz(input_mhz * 10**6) < output_mhz * 1e6
        return
    assert (pll.divr, pll.divf, pll.divq) == settings
    assert pll.filter_range(input_mhz * 10**6) == filter_range


@pytest.mark.parametrize("reference", [1, 3, 16])
def test_filter_range_steps_at_the_frequencies_of_the_data_sheet(reference):
    # Lattice, iCE40 sysCLOCK PLL guide: by the frequency at the phase detector.
    pll = Ice40Pll(divr=reference - 1, divf=0, divq=1)
    for setting, edge_mhz in enumerate((17, 26, 44, 66, 101), 1):
        edge_hz = edge_mhz * 10**6 * reference
        assert (pll.filter_range(edge_hz - 1), pll.filter_range(edge_hz)) == (setting, setting + 1)


@pytest.mark.parametrize(
    ("input_mhz", "most_mhz", "reached_mhz"), [(25, 75, 75), (100, 75, 75), (12, 75, 72), (48, 75, 72), (50, 75, 75)]
)
def test_ecp5_takes_the_highest_whole_megahertz(input_mhz, most_mhz, reached_mhz):
    pll = find_pll(Ecp5Pll, input_mhz * 10**6, most_mhz * 10**6, Ecp5Pll.LIMITS)
    assert pll.output_hz(input_mhz * 10**6) == reached_mhz * 1e6
    assert 400e6 <= pll.vco_hz(input_mhz * 10**6) <= 800e6
    assert input_mhz / pll.clki_div >= 10


# Ranges of the data sheets, MHz: detector and oscillator of an iCE40 10 to 133 and 533 to 1066, of an ECP5 10 to
# 400 and 400 to 800. An output of an iCE40 is its oscillator over 2 at least.
@pytest.mark.parametrize(
    ("kind", "input_mhz", "reference", "vco_mhz"),
    [
        (Ice40Pll, 9, None, None),  # below the detector's range
        (Ice40Pll, 10, 1, 1060),
        (Ice40Pll, 12, 1, 1056),
        (Ice40Pll, 13, 1, 1066),
        (Ice40Pll, 133, 1, 1064),
        (Ice40Pll, 134, 2, 938),  # above it, so divided
        (Ecp5Pll, 9, None, None),
        (Ecp5Pll, 10, 1, 800),
        (Ecp5Pll, 400, 1, 800),
    ],
)
def test_whole_range_of_a_pll_is_used(kind, input_mhz, reference, vco_mhz):
    input_hz = input_mhz * 10**6
    if reference is None:
        with pytest.raises(ValueError, match="a frequency that a PLL makes"):
            find_pll(kind, input_hz, 10**9, kind.LIMITS)
        return
    pll = find_pll(kind, input_hz, 10**9, kind.LIMITS)
    assert pll.reference == reference
    assert pll.vco_hz(input_hz) == vco_mhz * 1e6


@pytest.mark.parametrize(
    ("kind", "input_mhz", "lowest"), [(Ice40Pll, 14, 133), (Ice40Pll, 41, 82), (Ecp5Pll, 10, 10), (Ecp5Pll, 11, 11)]
)
def test_oscillator_stays_above_its_lower_end(kind, input_mhz, lowest):
    input_hz = input_mhz * 10**6
    pll = find_pll(kind, input_hz, lowest * 10**6, kind.LIMITS)
    assert pll.vco_hz(input_hz) >= {Ice40Pll: 533e6, Ecp5Pll: 400e6}[kind]


def test_gowin():
    pll = find_pll(GowinPll, 27_000_000, 45_000_000, GW1NR)
    assert (pll.idiv, pll.fbdiv) == (3, 5)
    assert 400e6 <= pll.vco_hz(27_000_000) <= 1200e6


def test_frequency_that_no_pll_makes():
    with pytest.raises(ValueError, match="a frequency that a PLL makes of 12000000 Hz, not 1000000"):
        find_pll(Ice40Pll, 12_000_000, 1_000_000, Ice40Pll.LIMITS)
