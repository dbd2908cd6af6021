"""``python -m memtwin`` is ``memtwin``, wherever the Python lies."""

from memtwin.cli import main

main()
