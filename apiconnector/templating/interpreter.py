"""Evaluate a JMESPath expression within bounds: a short one can ask for more work than a machine can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jmespath.visitor import TreeInterpreter

from apiconnector.templating.weight import Scale

if TYPE_CHECKING:
    from apiconnector.templating.parser import Node

#: The largest value that an expression may give, or hand to a function, in the units of ``Scale``: some answers of a
#: megabyte. This and the next for each megabyte of data.
MAX_WEIGHT: Final = 4_000_000
#: The work of one evaluation: each step costs ten, a list its length, a function or comparison what it has to read.
#: It is used up in half a second or less.
MAX_WORK: Final = 5_000_000
_STEP: Final = 10


class TooMuchWorkError(Exception):
    """The evaluation was given up."""


class BoundedInterpreter(TreeInterpreter):  # type: ignore[misc]  # jmespath ships no types
    """Evaluates one expression once. Every method raises ``TooMuchWorkError``, and what the library raises."""

    def __init__(self, megabytes: int = 1) -> None:
        super().__init__()
        self._left = MAX_WORK * megabytes
        self._most = MAX_WEIGHT * megabytes
        self._scale = Scale()
        #: The call or comparison that raised what the library raises; None where it was something else.
        self.failed: Node | None = None

    def evaluate(self, tree: Node, root: Any) -> Any:
        """The value of a parsed expression."""
        value = self.visit(tree, root)
        # What names the same list many times over takes no room here, but would when it is written.
        self._weight(value)
        return value

    def visit(self, node: Node, value: Any) -> Any:
        """Evaluate a part of the expression."""
        # In place of the library's own, and not by _charge(): this is called for each step on each item.
        self._left -= _STEP
        if self._left < 0:
            raise TooMuchWorkError
        kind = node["type"]
        method = self._method_cache.get(kind)
        if method is None:
            method = self._method_cache[kind] = getattr(self, f"visit_{kind}")
        return method(node, value)

    def visit_field(self, node: Node, value: Any) -> Any:
        """Look up a key."""
        return value.get(node["value"]) if isinstance(value, dict) else None

    def visit_flatten(self, node: Node, value: Any) -> Any:
        """Join lists."""
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        self._charge(sum(len(item) if isinstance(item, list) else 1 for item in base))
        flat = []
        for item in base:
            if isinstance(item, list):
                flat += item
            else:
                flat.append(item)
        return flat

    def visit_comparator(self, node: Node, value: Any) -> Any:
        """Compare, once it is known what that takes."""
        first, second = node["children"]
        left, right = self.visit(first, value), self.visit(second, value)
        self._charge(min(self._weight(left), self._weight(right)))
        operator = node["value"]
        if operator not in self._EQUALITY_OPS and not (_has_order(left) and _has_order(right)):
            return None
        try:
            return self.COMPARATOR_FUNC[operator](left, right)
        except TypeError:
            self.failed = node
            raise

    def visit_function_expression(self, node: Node, value: Any) -> Any:
        """Call a function, once it is known what that takes."""
        arguments = [self.visit(child, value) for child in node["children"]]
        self._charge(sum(map(self._weight, arguments)))
        try:
            return self._functions.call_function(node["value"], arguments)
        except (TypeError, ValueError, ArithmeticError):
            # The innermost of calls inside each other is what went wrong.
            self.failed = self.failed or node
            raise

    def _weight(self, value: Any) -> int:
        weight = self._scale.weight(value)
        if weight > self._most:
            raise TooMuchWorkError
        return weight

    def _charge(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise TooMuchWorkError


def _has_order(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)
