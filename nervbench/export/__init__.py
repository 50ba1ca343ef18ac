"""Export: a checkpoint becomes an artifact, a file that a runtime opens, with a description of how it came to be."""
