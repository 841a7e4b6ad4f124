"""Which names the templates of a field may use: known when it is saved, before there are values."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from apiconnector.exceptions import TemplateError
from apiconnector.templating.fill import at, templates_of
from apiconnector.templating.words import did_you_mean, listed, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The secrets of every connection. Members of its secret variables are such, too.
SECRETS: Final = frozenset({"client_secret", "username", "password", "api_key", "access_token"})


class AllowedNames(NamedTuple):
    """The names that the templates of a kind of field may use.

    Those of one connection are added by ``with_variables``. Fixed names win over variables.
    """

    #: Full names: ``client_id``, ``run.id``.
    exact: frozenset[str]
    #: Names of objects and lists: they and whatever is below them.
    below: frozenset[str] = frozenset()
    secrets: frozenset[str] = SECRETS
    #: Why secrets may not stand there, and where they go instead; empty where they may.
    no_secrets: str = ""
    #: Whether there are names that nobody knows yet: the keys of what will be submitted.
    open: bool = False
    #: Names among ``below`` of which it is known what they hold.
    members: Mapping[str, frozenset[str]] = MappingProxyType({})

    def with_variables(self, names: Iterable[str], secret: Iterable[str] = ()) -> AllowedNames:
        """These names and those of one connection: its variables and token values, and its secret variables."""
        return self._replace(below=self.below | frozenset(names), secrets=self.secrets | frozenset(secret))

    def problem(self, name: str, *, required: bool = True) -> str:
        """What is wrong with a dotted name, empty where nothing is.

        One that is not ``required``, since a default stands in for it, may be unknown; a secret it may not be.
        """
        first, _, rest = name.partition(".")
        fixed = {exact.partition(".")[0] for exact in self.exact} | self.members.keys()
        if first in self.secrets and first not in fixed:
            return self._problem_of_secret(first) if self.no_secrets else ""
        if not required or name in self.exact:
            return ""
        if first in self.members:
            return self._problem_of_member(first, rest)
        if first not in fixed:
            return "" if first in self.below or self.open else self._unknown(first)
        if name == first:
            return f"'{first}' is an object; write one of {listed(self._of(first))}"
        return f"unknown name '{shown(rest)}' in '{first}'" + (
            f"; write one of {listed(self._of(first))}" if self._of(first) else "; nothing is below it"
        )

    def _problem_of_member(self, first: str, rest: str) -> str:
        known, member = self.members[first], rest.partition(".")[0]
        if not known:
            submitted = f"; what was submitted under that name is data.{first}" if "data" in self.below else ""
            return f"'{first}' has what a feed keeps that this one waits for, and there is none such{submitted}"
        if not rest or member in known:
            return ""
        return (
            f"unknown name '{shown(member)}' in '{first}'{did_you_mean(member, known)}; available are: {listed(known)}"
        )

    def _of(self, first: str) -> list[str]:
        return [exact for exact in self.exact if exact.startswith(f"{first}.")]

    def _problem_of_secret(self, first: str) -> str:
        submitted = f"; what was submitted under that name is data.{shown(first)}" if "data" in self.below else ""
        return f"'{shown(first)}' is a secret of the connection, and {self.no_secrets}{submitted}"

    def _unknown(self, first: str) -> str:
        known = self.exact | self.below | (frozenset() if self.no_secrets else self.secrets)
        return (
            f"unknown name '{shown(first)}'{did_you_mean(first, known)}; available are: {listed(known)}; "
            "others are entered as variables of the connection"
        )


#: ``default_headers``, ``default_params``, ``default_body``, the addresses of the connection but the authorization URL,
#: and the requests of the dialect.
CONNECTION_NAMES: Final = AllowedNames(frozenset({"client_id"}))
#: ``authorization_url`` and ``authorization_params``.
BROWSER_NAMES: Final = CONNECTION_NAMES._replace(
    no_secrets="the browser, and whoever looks at it, sees what is sent there; leave it out"
)
#: ``label_template``: filled with the answer of the test request.
LABEL_NAMES: Final = AllowedNames(
    frozenset({"client_id", "status"}),
    frozenset({"headers", "body"}),
    no_secrets="a label is shown to everybody who sees the connection; leave it out",
)
#: ``after_authorize``.
AFTER_AUTHORIZE_NAMES: Final = LABEL_NAMES._replace(no_secrets="")
#: Path, query, headers and body of a feed.
FEED_NAMES: Final = AllowedNames(
    frozenset({"client_id", "now", "run.id", "run.created_at"}),
    frozenset({"data", "values"}),
    no_secrets=(
        "what a feed sends is kept in its log; the connection's method, default headers, parameters and body send it"
    ),
    open=True,
)
#: The same of a feed with ``for_each``.
FEED_ITEM_NAMES: Final = FEED_NAMES._replace(below=FEED_NAMES.below | {"item"})


def check_names(value: Any, allowed: AllowedNames) -> None:
    """Check the names in all templates of a JSON value, or in one text.

    Raises ``TemplateError`` with the place and the name for a secret where none may stand and for an unknown name; also
    what ``check`` raises.
    """
    for place, template in templates_of(value):
        for name in sorted(template.names):
            if problem := allowed.problem(name, required=name in template.required):
                raise at(place, TemplateError(f"{{{{ {shown(name)} }}}}: {problem}."))
