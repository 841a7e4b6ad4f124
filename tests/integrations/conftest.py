"""A faked API, and the code of the docs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiconnector.models import Feed
from apiconnector.testing import FakeApi, fake_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str = "python") -> list[str]:
    """The code of a page of the docs."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def crm(transactional_db: None) -> Iterator[FakeApi]:
    """With real commits: what was submitted is sent after them."""
    with fake_connection("crm") as api:
        Feed.objects.create(
            name="Lead", slug="lead", connection=api.connection, trigger="contact-form", path="leads",
            body_format="json", body={"all": "{{ data }}"}, idempotency_header="Idempotency-Key",
        )  # fmt: skip  # in rows
        yield api
