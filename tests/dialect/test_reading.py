"""A dialect is read whole or not at all; what is wrong is said with its place."""

from __future__ import annotations

from typing import Any

import pytest

from apiconnector.dialect import EMPTY, KeptValueError, keep, read
from apiconnector.exceptions import DialectError

URL = "https://p.example/x"


@pytest.mark.parametrize("data", [{}, None])
def test_nothing_is_the_plain_one(data: Any) -> None:
    assert read(data) is EMPTY


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "is a JSON object"),
        ("json", "is a JSON object"),
        ({"token_parms": {}}, "did you mean 'token_params'"),
        ({"x" * 500: {}}, "Unknown key 'xxx"),
        ({1: {}}, "Unknown key '1'"),
        ({"authorization_params": []}, "authorization_params: enter a JSON object"),
        ({"authorization_params": {"a": ["b"]}}, "authorization_params.a: enter text"),
        ({"authorization_params": {"": "b"}}, "no name that can be sent"),
        ({"token_params": {"a": "{{ b"}}, "token_params: a: The {{ at character 1 is not closed"),
        ({"token_params": {"a": "{% now %}"}}, "there are no tags"),
        ({"token_request_format": "xml"}, "enter one of form, json, query"),
        ({"token_request_format": ["json"]}, "enter one of form, json, query"),
        ({"token_request_method": "PUT"}, "enter one of POST, GET"),
        ({"refresh_request_format": "xml"}, "refresh_request_format: enter one of"),
        ({"token_headers": {"a b": "c"}}, "no name of a header"),
        ({"token_headers": {"A": "b\nc"}}, "token_headers.A: a header is one line"),
        ({"token_headers": {"A": ["b"]}}, "token_headers.A: a header is one line"),
        ({"token_response": {"acces_token": "a"}}, "did you mean 'access_token'"),
        ({"token_response": {"access_token": "a."}}, "token_response.access_token: The expression can't be read"),
        ({"token_response": {"access_token": 1}}, "token_response.access_token: enter text"),
        ({"expires_unit": "minutes"}, "enter one of seconds, milliseconds"),
        ({"default_expires_in": 0}, "enter seconds"),
        ({"default_expires_in": True}, "enter seconds"),
        ({"default_expires_in": "3600"}, "enter seconds"),
        ({"default_expires_in": 1e300}, "enter seconds"),
        ({"callback_code_param": ""}, "enter the name of a parameter"),
        ({"callback_state_param": "a\nb"}, "enter the name of a parameter"),
        ({"keep_from_callback": {"realm": {}}}, "keep_from_callback.realm: enter a pattern"),
        ({"keep_from_callback": {"realm": {"pattern": "["}}}, "keep_from_callback.realm.pattern: this is no regular"),
        ({"keep_from_callback": {"realm": {"pattern": "a" * 501}}}, "at most 500 characters"),
        ({"keep_from_callback": {"realm-id": {"pattern": "a"}}}, "no name: write letters"),
        ({"keep_from_callback": {"client_secret": {"pattern": "a"}}}, "means something of its own"),
        ({"keep_from_callback": {"realm": {"pattern": "a", "paht": "b"}}}, "did you mean 'path'"),
        ({"keep_from_callback": {"a": {"pattern": "a"}}, "keep_from_token": {"a": {"pattern": "a"}}}, "used in keep_from_callback"),
        ({"variables": {"a": {"secret": True}}, "keep_from_token": {"a": {"pattern": "a"}}}, "that of a secret variable"),
        ({"variables": {"a": {"secret": True, "default": "b"}}}, "a secret has no default"),
        ({"variables": {"a": {"pattern": "[0-9]+", "default": "b"}}}, "does not match the pattern"),
        ({"variables": {"a": {"label": 1}}}, "variables.a.label: enter text"),
        ({"variables": {"a": {"secret": "yes"}}}, "enter true or false"),
        ({"expired_when": "status = `401`"}, "equal is written =="),
        ({"basic_encoding": "base64"}, "enter one of percent, form, raw"),
        ({"login": {}}, "login: enter a url"),
        ({"login": {"url": ""}}, "enter an address"),
        ({"login": {"url": "//evil.example"}}, "login.url:"),
        ({"login": {"url": "https://user:pass@p.example"}}, "no user name or password"),
        ({"login": {"url": "../x"}}, "login.url:"),
        ({"login": {"url": URL, "method": "TRACE"}}, "login.method: enter one of"),
        ({"login": {"url": URL, "format": "form", "body": "text"}}, "fields of a form"),
        ({"login": {"url": URL, "method": "GET", "body": {"a": "b"}}}, "a GET has no body"),
        ({"login": {"url": URL, "values": {}}}, "unknown key 'values'"),
        ({"after_authorize": {"url": URL}}, "name what to keep"),
        ({"after_authorize": {"url": URL, "token_response": {}}}, "unknown key 'token_response'"),
        ({"after_authorize": {"url": URL, "values": {"a": {"path": "a"}}}}, "after_authorize.values.a: enter a pattern"),
        ({"refresh_params": {"refresh_token": None}}, "name {{ access_token }}"),
        ({"test_request": {"statuses": ["200"]}}, "a list of status codes"),
        ({"test_request": {"statuses": [True]}}, "a list of status codes"),
        ({"test_request": {"statuses": [20]}}, "a list of status codes"),
        ({"test_request": {"success_when": "body."}}, "test_request.success_when"),
        ({"test_request": {"url": URL}}, "unknown key 'url'"),
        ({"token_params": {"a": "x" * 200_000}}, "at most 100,000"),
        ({"token_params": {"a": float("nan")}, "x": {1}}, "no JSON"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else None,
)  # fmt: skip  # in rows
def test_a_mistake_is_said_with_its_place(data: Any, words: str) -> None:
    with pytest.raises(DialectError) as caught:
        read(data)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 2_000


def test_a_dialect_nested_without_end() -> None:
    data: dict[str, Any] = {}
    for _ in range(5_000):
        data = {"a": data}
    with pytest.raises(DialectError):
        read({"token_params": data})


class TestKeeping:
    def found(self, pattern: str, root: Any, path: str = "a", secrets: tuple[str, ...] = ()) -> Any:
        declared = read({"keep_from_token": {"kept": {"path": path, "pattern": pattern}}}).keep_from_token
        return keep(declared, root, where="The answer", secrets=secrets)["kept"]

    def test_a_text_and_a_number(self) -> None:
        assert self.found("[a-z]+", {"a": "eu"}) == "eu"
        assert self.found("[0-9]+", {"a": 42}) == 42
        assert self.found(r"[0-9.]+", {"a": {"b": [{"c": 1.5}]}}, "a.b[0].c") == 1.5

    @pytest.mark.parametrize(
        "root",
        [
            {"a": "eu\n"}, {"a": "eu/../x"}, {"a": "EU"}, {"a": ""}, {"a": None}, {}, [], "eu", None, {"a": ["eu"]},
            {"a": {"b": "eu"}}, {"a": True}, {"a": "e" * 1001}, {"b": "eu"},
        ],
        ids=repr,
    )  # fmt: skip  # in rows
    def test_anything_else_is_refused_without_being_repeated(self, root: Any) -> None:
        with pytest.raises(KeptValueError) as caught:
            self.found("[a-z]+", root)
        assert "kept" in str(caught.value)
        assert "/../" not in str(caught.value)

    def test_no_token_is_kept_readable(self) -> None:
        with pytest.raises(KeptValueError, match="holds a token"):
            self.found(".+", {"a": "https://x.example/?t=canary-token-1"}, secrets=("canary-token-1",))
