from __future__ import annotations

from typing import Any

import pytest

from apiconnector.exceptions import TemplateError
from apiconnector.templating import (
    AFTER_AUTHORIZE_NAMES,
    BROWSER_NAMES,
    CONNECTION_NAMES,
    FEED_ITEM_NAMES,
    FEED_NAMES,
    LABEL_NAMES,
    AllowedNames,
    check_names,
)

ALL = {
    "connection": CONNECTION_NAMES,
    "browser": BROWSER_NAMES,
    "label": LABEL_NAMES,
    "after": AFTER_AUTHORIZE_NAMES,
    "feed": FEED_NAMES,
    "item": FEED_ITEM_NAMES,
}
SECRET = ["client_secret", "username", "password", "api_key", "access_token", "signing_key", "signing_key.deeper"]


def names(field: str) -> AllowedNames:
    return ALL[field].with_variables(["tenant", "region", "instance_url"], secret=["signing_key"])


@pytest.mark.parametrize("name", ["client_id", "tenant", "tenant.id.0", "instance_url"])
@pytest.mark.parametrize("field", ALL)
def test_everywhere(field: str, name: str) -> None:
    check_names({"a": [f"x {{{{ {name} }}}}"]}, names(field))


@pytest.mark.parametrize("name", SECRET)
@pytest.mark.parametrize("field", ["connection", "after"])
def test_secrets_where_they_may_stand(field: str, name: str) -> None:
    check_names(f"{{{{ {name} }}}}", names(field))


@pytest.mark.parametrize("name", SECRET)
@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("browser", "the browser, and whoever looks at it, sees what is sent there; leave it out."),
        ("label", "a label is shown to everybody who sees the connection; leave it out."),
        ("feed", "what a feed sends is kept in its log; the connection's method, default headers"),
        ("item", "what a feed sends is kept in its log"),
    ],
)
@pytest.mark.parametrize("text", ["{{ $ }}", '{{ $|default:"" }}', "{{ tenant|concat:$ }}", "x{{ tenant|default:$ }}"])
def test_secrets_where_they_may_not(field: str, why: str, name: str, text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        check_names({"a": [{"b": text.replace("$", name)}]}, names(field))

    first = name.partition(".")[0]
    assert str(caught.value).startswith(f"a[0].b: {{{{ {name} }}}}: '{first}' is a secret of the connection, and {why}")
    assert ("; what was submitted under that name is data." in str(caught.value)) == (field in {"feed", "item"})


def test_a_submitted_name_that_a_secret_has_too() -> None:
    check_names("{{ data.username }}", names("feed"))

    with pytest.raises(TemplateError, match=r"submitted under that name is data\.username\."):
        check_names("{{ username }}", names("feed"))


@pytest.mark.parametrize(
    ("field", "allowed"),
    [
        ("connection", []),
        ("browser", []),
        ("label", ["status", "headers.x", "body", "body.user.0.name"]),
        ("after", ["status", "headers.x", "body", "body.user.0.name"]),
        ("feed", ["run.id", "run.created_at", "now", "data", "data.a.b.0", "email", "rows.0.x", "status", "body.x", "item"]),
        ("item", ["run.id", "now", "data.x", "item", "item.price", "email"]),
    ],
)  # fmt: skip  # in rows
def test_names_of_a_field(field: str, allowed: list[str]) -> None:
    for name in [
        "status",
        "headers.x",
        "body",
        "body.user.0.name",
        "run.id",
        "run.created_at",
        "now",
        "data",
        "data.a.b.0",
    ]:
        try:
            check_names(f"{{{{ {name} }}}}", names(field))
            found = True
        except TemplateError:
            found = False
        # A feed's own names are open: what is submitted may have any.
        assert found == (name in allowed or field in {"feed", "item"}), name
    for name in allowed:
        check_names(f"{{{{ {name} }}}}", names(field))


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        pytest.param("browser", "{{ tennant }}", "{{ tennant }}: unknown name 'tennant'; did you mean 'tenant'; available are: client_id, instance_url, region, tenant; others are entered as variables of the connection.", id="nearly"),
        pytest.param("browser", {"a": {"b": ["{{ xyzzy.y }}"]}}, "a.b[0]: {{ xyzzy.y }}: unknown name 'xyzzy'; available are: client_id, instance_url, region, tenant; others", id="like no other"),
        pytest.param("browser", {"{{ xyzzy }}": 1}, "{{ xyzzy }}: {{ xyzzy }}: unknown name 'xyzzy'", id="key"),
        pytest.param("connection", "{{ clientsecret }}", "{{ clientsecret }}: unknown name 'clientsecret'; did you mean 'client_secret'; available are: access_token, api_key, client_id, client_secret, ", id="secrets are offered where they may stand"),
        pytest.param("connection", "{{ client_id.x }}", "{{ client_id.x }}: unknown name 'x' in 'client_id'; nothing is below it.", id="below text"),
        pytest.param("label", "{{ status.code }}", "unknown name 'code' in 'status'; nothing is below it.", id="below a number"),
        pytest.param("label", "{{ bodi.name }}", "unknown name 'bodi'; did you mean 'body'; available are: body, client_id, headers, ", id="label"),
        pytest.param("feed", "{{ run.created }}", "unknown name 'created' in 'run'; write one of run.created_at, run.id.", id="run"),
        pytest.param("feed", "{{ run }}", "'run' is an object; write one of run.created_at, run.id.", id="run itself"),
        pytest.param("feed", "{{ now.date }}", "unknown name 'date' in 'now'; nothing is below it.", id="now"),
        pytest.param("browser", "{{ tenant|concat:x }}", "{{ x }}: unknown name 'x'", id="argument"),
        pytest.param("browser", '{{ tenant|default:x|default:"y" }}', "{{ x }}: unknown name 'x'", id="argument of a default"),
        pytest.param("browser", '{{ x|upper|default:"y" }}', "{{ x }}: unknown name 'x'", id="a default too late"),
        pytest.param("browser", ["{{ tenant"], "[0]: The {{ at character 1 is not closed", id="can't be read"),
        pytest.param("browser", {"a": object()}, "a: a value is of the type object", id="no JSON"),
    ],
)  # fmt: skip  # in rows
def test_refused(field: str, value: Any, error: str) -> None:
    with pytest.raises(TemplateError) as caught:
        check_names(value, names(field))

    assert str(caught.value).startswith(error) or error in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ['{{ region2|default:"eu" }}', "{{ region2|default_if_none:tenant }}", "no placeholder", '{{ "client_secret" }}'],
)
def test_what_is_no_mistake(text: str) -> None:
    check_names(text, names("browser"))


def test_a_name_is_required_if_it_is_once() -> None:
    with pytest.raises(TemplateError, match="unknown name 'x'"):
        check_names('{{ x|default:"" }}{{ x }}', names("browser"))


def test_names_of_one_connection_stay_with_it() -> None:
    with pytest.raises(TemplateError, match="unknown name 'tenant'"):
        check_names("{{ tenant }}", BROWSER_NAMES)


def test_fixed_names_win_over_variables() -> None:
    allowed = FEED_NAMES.with_variables(["run", "now"], secret=["client_id"])

    check_names("{{ client_id }}{{ run.id }}", allowed)
    with pytest.raises(TemplateError, match="unknown name 'x' in 'run'"):
        check_names("{{ run.x }}", allowed)
