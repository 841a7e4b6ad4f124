"""What is said of a connection whose secrets are not sent."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.text import capfirst


@dataclass(frozen=True)
class Seal:
    """What keeps secrets from being sent: ``hosts`` (in words) that are new to them.

    ``columns`` are the connection's own secrets, by name and in the words of the form; ``holds_token`` is whether the
    token is among them.
    """

    hosts: str
    columns: dict[str, str]
    holds_token: bool

    @property
    def reason(self) -> str:
        """Why, and what to do next."""
        acts = [f"type again: {', '.join(self.columns.values())}"] if self.columns else []
        acts += ["authorize again"] if self.holds_token else []
        return (
            f"New since the secrets were entered: {self.hosts}. Nothing is sent until that is confirmed. "
            f"{capfirst('; then '.join(acts))}. Or take the new host out again."
        )
