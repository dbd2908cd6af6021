"""``python -m memtwin.bench``."""

from memtwin.bench.main import main

if __name__ == "__main__":
    main()
