"""The SQL store, and the only package that commits. An append-only record of promises, not a double-entry book."""
