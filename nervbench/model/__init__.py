"""NeRV-family networks: time position in, frame out. Knows nothing of benchmarks."""
