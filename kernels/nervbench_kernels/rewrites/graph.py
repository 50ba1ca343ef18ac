"""What a rule is, how rules are applied to an ONNX model, and the few questions that all of them ask of a graph.

A rule either changes the graph and says in how many places, or raises :class:`Refusal` with the reason and leaves the
graph as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
from onnxscript import ir


class Refusal(Exception):
    """Why a rule does not apply, in plain words."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rewrite: ``apply`` changes the graph and returns in how many places, or raises Refusal."""

    name: str
    apply: Callable[[ir.Graph], int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a rule: in how many places it was applied, or 0 and the reason."""

    rule: str
    places: int
    reason: str = ""

    def __str__(self) -> str:
        """One line for people."""
        if not self.places:
            return f"{self.rule}: not applied, {self.reason}"
        return f"{self.rule}: applied in {self.places} place{'s' if self.places > 1 else ''}"


def rewrite(model: onnx.ModelProto, rules: Sequence[Rule]) -> tuple[onnx.ModelProto, tuple[Outcome, ...]]:
    """Another model, to which the rules were applied in order, and what came of each; ``model`` stays as it is.

    The result has its shapes inferred and is checked. Raises onnx's own errors where a rule broke the graph.
    """
    changed = ir.from_proto(model)
    outcomes = tuple(_outcome(rule, changed.graph) for rule in rules)
    for name, value in list(changed.graph.initializers.items()):
        if not value.uses():
            del changed.graph.initializers[name]
    result = onnx.shape_inference.infer_shapes(ir.to_proto(changed), check_type=True, strict_mode=True)
    onnx.checker.check_model(result)
    return result, outcomes


def _outcome(rule: Rule, graph: ir.Graph) -> Outcome:
    """Apply one rule."""
    try:
        return Outcome(rule.name, rule.apply(graph))
    except Refusal as refusal:
        return Outcome(rule.name, 0, str(refusal))


def nodes_of(graph: ir.Graph, *kinds: str) -> list[ir.Node]:
    """The graph's nodes of these ONNX operators, in order. Raises Refusal where there are none."""
    if found := [node for node in graph if node.domain == "" and node.op_type in kinds]:
        return found
    msg = f"no {' or '.join(kinds)} in the graph"
    raise Refusal(msg)


def attribute(node: ir.Node, name: str, default: Any) -> Any:
    """An attribute's value, or the default that the operator has."""
    found = node.attributes.get(name)
    return default if found is None else found.value


def constant(value: ir.Value | None) -> npt.NDArray[Any] | None:
    """The array that a value always is, if it is an initializer and no input of the graph."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def source(node: ir.Node) -> ir.Value:
    """The first input, of an operator that must have one."""
    return cast("ir.Value", node.inputs[0])


def only_reader(value: ir.Value, kind: str) -> ir.Node | None:
    """The node of this operator that reads a value, if nothing else needs the value."""
    readers = set(value.consumers())
    reader = readers.pop() if len(readers) == 1 and not value.is_graph_output() else None
    return reader if reader and reader.domain == "" and reader.op_type == kind else None


def add_constant(graph: ir.Graph, name: str, array: npt.NDArray[Any]) -> ir.Value:
    """A new initializer, under this name or one like it."""
    while name in graph.initializers:
        name += "_"
    value = ir.Value(name=name, const_value=ir.tensor(np.ascontiguousarray(array), name=name))
    graph.register_initializer(value)
    return value


def add_node(graph: ir.Graph, after: ir.Node, kind: str, inputs: Sequence[ir.Value], **attributes: Any) -> ir.Node:
    """A new node behind another; nobody reads its output yet."""
    made = ir.node(kind, inputs, attributes)
    graph.insert_after(after, made)
    return made


def pass_on(old: ir.Value, new: ir.Value) -> None:
    """Let all who read ``old`` read ``new``; it also takes the name where ``old`` is an output of the graph."""
    new.type, new.shape = old.type, old.shape
    if old.is_graph_output():
        new.name, old.name = old.name, f"{old.name}_before"
    old.replace_all_uses_with(new, replace_graph_outputs=True)
