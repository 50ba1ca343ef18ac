"""``python -m nervbench``."""

from nervbench.cli import main

main()
