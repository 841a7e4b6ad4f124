"""Its models: those of docs/wagtail.md as they stand there, and the one that docs/rest-framework.md speaks of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from django.db import models

if TYPE_CHECKING:
    from django.db.models import Manager

PAGE = (Path(__file__).parents[3] / "docs" / "wagtail.md").read_text(encoding="utf-8")
_CODE = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
assert _CODE
exec(_CODE[1], globals())  # noqa: S102 - our own page


class Message(models.Model):
    email = models.EmailField()
    text = models.CharField(max_length=100)
    sent_on = models.DateField(auto_now_add=True)

    objects: ClassVar[Manager[Message]]

    def __str__(self) -> str:
        return self.email
