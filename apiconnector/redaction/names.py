"""Names under which credentials stand: for what was written down in plain text where it should not have been."""

from __future__ import annotations

import re
from typing import Any, Final

_NAMES: Final = re.compile(r"auth|key|token|secret|passw|cookie|signature|credential", re.IGNORECASE)
#: They have "key" in their name and hold none.
_HARMLESS: Final = re.compile(r"idempotency[-_ ]?key|author(?!i[sz])|keyword|monkey", re.IGNORECASE)
#: A shorter text is rather a choice, such as "v2" or "true", than a credential.
_SHORTEST: Final = 8


def looks_secret(name: str) -> bool:
    """Whether a header, parameter or variable of this name probably holds a credential."""
    return _NAMES.search(_HARMLESS.sub("", name)) is not None


def literal_secrets(value: Any, *, suspected: bool = False) -> list[str]:
    """The texts in JSON data that stand under such a name and are no placeholders."""
    if isinstance(value, dict):
        return [
            text
            for name, item in value.items()
            for text in literal_secrets(item, suspected=suspected or looks_secret(str(name)))
        ]
    if isinstance(value, list):
        return [text for item in value for text in literal_secrets(item, suspected=suspected)]
    if suspected and isinstance(value, str) and len(value) >= _SHORTEST and "{{" not in value:
        return [value]
    return []
