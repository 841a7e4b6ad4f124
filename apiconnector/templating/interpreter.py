"""Evaluate a JMESPath expression within bounds: a short one can ask for more work than a machine can do."""

from __future__ import annotations

from typing import Any, Final

from jmespath.visitor import TreeInterpreter

from apiconnector.templating.weight import Scale

#: The largest value that an expression may give, or hand to a function, in the units of ``Scale``: some answers of a
#: megabyte.
MAX_WEIGHT: Final = 4_000_000
#: The work of one evaluation: each step costs ten, a list its length, a function or comparison what it has to read.
MAX_WORK: Final = 10_000_000
_STEP: Final = 10


class TooMuchWorkError(Exception):
    """The evaluation was given up."""


class BoundedInterpreter(TreeInterpreter):  # type: ignore[misc]  # jmespath ships no types
    """Evaluates one expression once. Every method raises ``TooMuchWorkError``."""

    def __init__(self) -> None:
        super().__init__()
        self._work = 0
        self._scale = Scale()

    def evaluate(self, parsed: Any, root: Any) -> Any:
        """The value of a parsed expression."""
        value = self.visit(parsed, root)
        # What names the same list many times over takes no room here, but would when it is written.
        self._weight(value)
        return value

    def visit(self, node: Any, value: Any) -> Any:
        """Evaluate a part of the expression."""
        # Not by _charge(): this is called for each step on each item.
        self._work += _STEP
        if self._work > MAX_WORK:
            raise TooMuchWorkError
        return super().visit(node, value)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        """Join lists."""
        return self._listed(super().visit_flatten(node, value))

    def visit_slice(self, node: Any, value: Any) -> Any:
        """Cut a part out of a list."""
        return self._listed(super().visit_slice(node, value))

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """Compare, once it is known what that takes."""
        sides = [self.visit(child, value) for child in node["children"]]
        self._charge(min(map(self._weight, sides)))
        known = [{"type": "literal", "value": side, "children": []} for side in sides]
        return super().visit_comparator({**node, "children": known}, value)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        """Call a function, once it is known what that takes."""
        arguments = [self.visit(child, value) for child in node["children"]]
        self._charge(sum(map(self._weight, arguments)))
        return self._functions.call_function(node["value"], arguments)

    def _listed(self, result: Any) -> Any:
        if isinstance(result, list):
            self._charge(len(result))
        return result

    def _weight(self, value: Any) -> int:
        weight = self._scale.weight(value)
        if weight > MAX_WEIGHT:
            raise TooMuchWorkError
        return weight

    def _charge(self, work: int) -> None:
        self._work += work
        if self._work > MAX_WORK:
            raise TooMuchWorkError
