"""The rules: frozen facts in, a Decision out. Standard library only; no clock, network or database."""
