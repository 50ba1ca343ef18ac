"""Training: a clip in, a checkpoint out, by the authors' recipe."""
