"""The sweep: a plan of cases, each measured in a process of its own, each ending as a row."""
