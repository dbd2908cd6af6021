"""The link between a host and a twin, host side (docs/link.md).

>>> from memtwin.link import Link
>>> with Link("socket://127.0.0.1:5000") as link:  # doctest: +SKIP
...     link.show(pixels=0b101, periods=20)
...     link.run_until_done()
"""

from memtwin.link.client import BAUD, Link
from memtwin.link.errors import LinkError
from memtwin.link.events import LinkEvent
from memtwin.link.maps import LinkMap, read_map, write_map
from memtwin.link.registers import Identity, Status
from memtwin.link.snapshot import Snapshot

__all__ = [
    "BAUD",
    "Identity",
    "Link",
    "LinkError",
    "LinkEvent",
    "LinkMap",
    "Snapshot",
    "Status",
    "read_map",
    "write_map",
]
