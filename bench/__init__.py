"""Benchmarks: each a command that prints a ratio against a named baseline of the same run."""
