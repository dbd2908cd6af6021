"""Where ``memtwin`` and ``python -m memtwin``, wherever the Python lies, start."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it with the same status while its modules are still imported."""
    try:
        from memtwin.cli.main import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
