"""Devices: the only owners of clocks, waiting and counters. They time; they never decode."""
