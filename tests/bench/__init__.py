"""The benchmark: real processes, real databases, the load generator on the same cores. docs/benchmarks.md."""
