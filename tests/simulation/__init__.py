"""A whole deployment in one thread, driven by one seed: `python -m tests.simulation --help`.

How it works, what it checks and how to replay a seed: docs/testing.md.
"""
