"""Decode benchmarks in pytest, see :mod:`nervbench.testing.plugin`."""
