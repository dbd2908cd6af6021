import json

import pytest

from memtwin.boards.flash import flash
from memtwin.boards.tools import ToolError
from memtwin.sim.errors import InputError
from tests.programs import write_program


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """An openFPGALoader that records its arguments, says what it is told to, and ends with a status."""

    def make(status=0, stderr="", stdout=""):
        record = tmp_path / "arguments.json"
        script = (
            "import json, sys\n"
            f"json.dump(sys.argv[1:], open({str(record)!r}, 'w'))\n"
            f"sys.stderr.write({stderr!r})\n"
            f"sys.stdout.write({stdout!r})\n"
            f"sys.exit({status})"
        )
        path = write_program(tmp_path / "loader", script)
        monkeypatch.setenv("OPENFPGALOADER", str(path))
        return record

    return make


@pytest.fixture
def bitstream(tmp_path):
    path = tmp_path / "digits.bin"
    path.write_bytes(b"bits")
    return path


@pytest.mark.parametrize(
    ("board", "arguments"),
    [
        ("icebreaker", ["-b", "ice40_generic"]),
        ("ulx3s-85f", ["-b", "ulx3s", "-m"]),
        ("upduino-v3", ["-b", "ice40_generic", "-c", "ft232"]),
        ("tang-nano-9k", ["-b", "tangnano9k"]),
        ("ecpix5", ["-b", "ecpix5", "-m"]),
        ("ecpix5-r03", ["-b", "ecpix5_r03", "-m"]),
    ],
)
def test_arguments(stand_in, bitstream, board, arguments):
    record = stand_in()
    flash(bitstream, board)
    assert json.loads(record.read_text(encoding="utf-8")) == [*arguments, str(bitstream)]


# What openFPGALoader 1.1.1, libusb and the dynamic linker write.
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("unable to open ftdi device: -3 (device not found)\nJTAG init failed with: unable to open", "no board found"),
        ("unable to open ftdi device: -4 (usb_open() failed)\n", "no permission to use the USB device.*udev rules"),
        ("Unable to open device: 0403:6010 Error: Access denied (insufficient permissions)", "no permission"),
        (
            "openFPGALoader: error while loading shared libraries: libusb-1.0.so.0: cannot open shared object file",
            "the system library libusb-1.0 is missing; run `sudo apt install libusb-1.0-0`",
        ),
        (
            "openFPGALoader: error while loading shared libraries: libftdi1.so.2: cannot open shared object file",
            "the system library libftdi1 is missing; run `sudo apt install libftdi1-2`",
        ),
        ("Error: cannot find board 'ice40_generic'", "does not know the board"),
    ],
)
def test_reasons_are_one_line(stand_in, bitstream, said, reason):
    stand_in(status=1, stderr=said)
    with pytest.raises(InputError, match=f"board icebreaker: .*{reason}") as caught:
        flash(bitstream, "icebreaker")
    assert "\n" not in str(caught.value)


def test_other_failures_show_what_was_said(stand_in, bitstream):
    stand_in(status=7, stdout="write to flash\n", stderr="Verification FAIL\n")
    with pytest.raises(
        ToolError, match=r"openFPGALoader failed \(exit status 7\)\n  write to flash\n  Verification FAIL"
    ):
        flash(bitstream, "icebreaker")


@pytest.mark.parametrize(
    ("board", "hint"), [("icesugar", "copy it to the USB drive iCELink"), ("tinyfpga-bx", "run tinyprog -p FILE")]
)
def test_board_that_the_loader_cannot_reach(stand_in, bitstream, board, hint):
    record = stand_in()
    with pytest.raises(InputError) as caught:
        flash(bitstream, board)
    said = f"board {board}: openFPGALoader has no way to it; the bitstream is {bitstream}: {hint}"
    assert str(caught.value).startswith(said)
    assert not record.exists()


def test_missing_bitstream(stand_in, tmp_path):
    record = stand_in()
    with pytest.raises(InputError, match="no such file; build the design for icebreaker first"):
        flash(tmp_path / "none.bin", "icebreaker")
    assert not record.exists()


def test_unknown_board(bitstream):
    with pytest.raises(InputError, match="board icestick: unknown; expected one of icebreaker"):
        flash(bitstream, "icestick")
