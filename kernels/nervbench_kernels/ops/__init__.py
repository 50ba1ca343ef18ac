"""One file an operation. Nothing here imports nervbench."""
