"""Files among the data: an object that refers to one, and what stands in a filled text for its content.

Templates are filled without the content, which may be large, and is read only when it is sent.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

#: The key by which an object is known to refer to a file; what submits data may not use it.
REFERENCE: Final = "$file"
#: What stands for the content: letters that every filter and format leaves as they are.
MARKER: Final = re.compile(r"apiconnector_file_([0-9a-f]{32})_base64")


class FileContent(NamedTuple):
    """The content of a file as Base64. Being no text, it passes through no filter that would change a marker."""

    key: str

    @property
    def marker(self) -> str:
        """What stands for it in what is filled."""
        return f"apiconnector_file_{self.key}_base64"


def is_file(value: Any) -> bool:
    """Whether a value refers to a file."""
    return isinstance(value, dict) and isinstance(value.get(REFERENCE), str)


def references(value: Any) -> list[dict[str, Any]]:
    """All objects in JSON data that refer to files, in their order."""
    if isinstance(value, dict):
        if is_file(value):
            return [value]
        return [found for item in value.values() if isinstance(item, dict | list) for found in references(item)]
    if isinstance(value, list):
        return [found for item in value if isinstance(item, dict | list) for found in references(item)]
    return []
