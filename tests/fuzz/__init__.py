"""Hostile inputs: grammars and mutations, driven by hypothesis, by coverage (atheris) or by chance."""
