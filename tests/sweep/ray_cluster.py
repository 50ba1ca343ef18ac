"""A Ray cluster of several nodes on this machine, by command: ``python -m tests.sweep.ray_cluster LABEL[+LABEL] …``.

It says its address, then takes words from its standard input: the place of a node among the labels, to kill it, or
``+LABEL`` for one more. It ends when the input does.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The nodes, each with one processor and its labels; the head has none and measures nothing."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster  # noqa: PLC0415 (an extra, and what it reads is set above)

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1, resources=dict.fromkeys(each.split("+"), 1)) for each in sys.argv[1:]]
    sys.stdout.write(f"address {cluster.address}\n")
    sys.stdout.flush()
    for line in map(str.strip, sys.stdin):
        if line.startswith("+"):
            cluster.add_node(num_cpus=1, resources=dict.fromkeys(line[1:].split("+"), 1))
        else:
            cluster.remove_node(nodes[int(line)], allow_graceful=False)
    cluster.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
