"""A host port behind a serial line."""
