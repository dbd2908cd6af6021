"""The experiments of the source documents, one module each."""
