"""Operators and graph rewrites for NeRV decoders. A leaf: imports nothing of nervbench."""
