"""The search for a good recipe: a grid or a random draw on the local executor, early stopping on Ray Tune."""
