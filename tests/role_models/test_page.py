"""The page on equivalents names what is there, under its name."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from apiconnector import auth
from apiconnector.dialect import Dialect, TestRequest, Variable
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.models.status import Status
from apiconnector.presets import presets
from apiconnector.shortcuts import submit

PAGE = (Path(__file__).parent.parent.parent / "docs" / "equivalents.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
MODELS = ("WP OAuth Server", "Appy Pie Connect", "viaSocket", "GravityWP API Connector")
#: Texts that are no names: values to enter, and what a variable is used as.
EXAMPLES = {
    "*", "me", "ACCESSTOKEN", "invalid_client", "?oauth=me", "{{ region }}", "{{ email }}", "{{ body.email }}", "state",
    "https://your-site.example/oauth/callback",
}  # fmt: skip  # in rows


def names_of(kind: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def fields_of(model: Any) -> set[str]:
    return {field.name for field in model._meta.concrete_fields} | {field.name for field in model._meta.get_fields()}


KNOWN = {
    *fields_of(Connection), *fields_of(Feed), *names_of(Dialect), *names_of(Variable),
    *(f"test_request.{name}" for name in names_of(TestRequest)),
    *(f"run.{name}" for name in fields_of(FeedRun)),
    *(method.name for method in auth.methods()), *Connection.ClientAuth.values, *Connection.Place.values,
    *Feed.BodyFormat.values, *Status.values, *(preset.slug for preset in presets()), submit.__name__,
}  # fmt: skip  # in rows


def cells(section: str) -> list[tuple[str, str]]:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    return [row for row in rows if row[0] not in {"there", "step there"}]


def test_there_is_a_table_for_each_model() -> None:
    assert tuple(SECTIONS) == MODELS
    for name, section in SECTIONS.items():
        assert len(cells(section)) >= 10, name


@pytest.mark.parametrize("model", MODELS)
def test_names_are_those_of_fields_and_keys(model: str) -> None:
    for there, here in cells(SECTIONS[model]):
        named = set(re.findall(r"`([^`]+)`", here))
        assert named - KNOWN - EXAMPLES == set(), there
        # Each row says where, or that there is nothing and why.
        assert named or re.match(
            r"(nothing|not used|the redirect URI|placeholders|its documentation has none)", here
        ), there


def test_examples_are_all_used() -> None:
    named = {
        name for section in SECTIONS.values() for _, here in cells(section) for name in re.findall(r"`([^`]+)`", here)
    }
    assert named >= EXAMPLES
