from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from apiconnector.exceptions import TemplateError
from apiconnector.templating import compile_template
from apiconnector.templating.kinds import MAX_TEXT

CONTEXT: dict[str, Any] = {
    "name": "Ada",
    "größe": "groß",
    "empty": "",
    "zero": 0,
    "amount": 12.5,
    "large": 1e22,
    "yes": True,
    "no": False,
    "nothing": None,
    "tags": ["a", "b"],
    "rows": {"0": "first by key", "1": {"2": "deeper"}},
    "a": {"b": [{"c": "found"}], "_hidden": "secret", "secret": "s3cr3t"},
    "_private": "secret",
    "html": "<b>&amp;</b>",
}


class Marker:
    attribute = "reached"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="empty text"),
        pytest.param("plain }} text", "plain }} text", id="lone closing braces"),
        pytest.param("{ a } {", "{ a } {", id="single braces"),
        pytest.param("{{ name }}", "Ada", id="text"),
        pytest.param("{{name}}", "Ada", id="without spaces"),
        pytest.param("{{\n\tname\n}}", "Ada", id="with line breaks"),
        pytest.param("{{ amount }}", 12.5, id="a number stays one"),
        pytest.param("{{ zero }}", 0, id="0 stays"),
        pytest.param("{{ no }}", False, id="false stays"),
        pytest.param("{{ nothing }}", None, id="null stays when alone"),
        pytest.param("{{ tags }}", ["a", "b"], id="a list stays one"),
        pytest.param("{{ rows.1 }}", {"2": "deeper"}, id="an object stays one"),
        pytest.param(" {{ amount }}", " 12.5", id="a space makes it text"),
        pytest.param("{{ name }}{{ name }}", "AdaAda", id="two in a row"),
        pytest.param("{{ yes }}/{{ no }}/{{ zero }}", "true/false/0", id="booleans and 0 in text"),
        pytest.param("{{ large }} {{ amount }}", "1e+22 12.5", id="numbers as JSON writes them"),
        pytest.param('{"a":{{ amount }}}', '{"a":12.5}', id="inside braces"),
        pytest.param("{{ größe }}!", "groß!", id="unicode name and value"),
        pytest.param("<{{ html }}>", "<<b>&amp;</b>>", id="nothing is escaped"),
        pytest.param("{{ a.b.0.c }}", "found", id="keys and indexes"),
        pytest.param("{{ tags.1 }}", "b", id="index"),
        pytest.param("{{ rows.0 }}", "first by key", id="a key of digits"),
        pytest.param("{{ rows.1.2 }}", "deeper", id="keys of digits"),
        pytest.param('{{ "{{" }} and {{ "}}" }}', "{{ and }}", id="quoted braces"),
        pytest.param(r"""{{ "say \"hi\"" }}""", 'say "hi"', id="escaped quotes"),
    ],
)
def test_renders(text: str, expected: Any) -> None:
    result = compile_template(text).render(CONTEXT)

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{{ missing|default:"x" }}', "x", id="missing"),
        pytest.param("{{ missing|default:'x' }}", "x", id="single quotes"),
        pytest.param('{{ missing | default:"x" }}', "x", id="spaces around the bar"),
        pytest.param('{{ nothing|default:"x" }}', "x", id="null"),
        pytest.param('{{ empty|default:"x" }}', "x", id="empty text"),
        pytest.param('{{ zero|default:"x" }}', 0, id="0 is an answer"),
        pytest.param('{{ no|default:"x" }}', False, id="false is an answer"),
        pytest.param('{{ missing.deeper.still|default:"x" }}', "x", id="missing on the way"),
        pytest.param('{{ nothing.deeper|default:"x" }}', "x", id="null on the way"),
        pytest.param('{{ tags.7|default:"x" }}', "x", id="index out of range"),
        pytest.param("{{ missing|default:5 }}", 5, id="number"),
        pytest.param("{{ missing|default:-1.5 }}", -1.5, id="negative number"),
        pytest.param("{{missing|default:name}}", "Ada", id="name as argument"),
        pytest.param("{{ missing|default:a.b.0.c }}", "found", id="dotted name as argument"),
        pytest.param("{{ name|default:missing }}", "Ada", id="fallback not needed"),
        pytest.param('{{ missing|default:"}}" }}', "}}", id="closing braces in quotes"),
        pytest.param('{{ missing|default:"{% x" }}', "{% x", id="tag in quotes"),
        pytest.param("""{{ missing|default:"it's" }}""", "it's", id="quote in quotes"),
        pytest.param('{{ missing|default:"a|b:c" }}', "a|b:c", id="bar and colon in quotes"),
        pytest.param('{{ missing|default:"" }}', "", id="empty fallback"),
        pytest.param('{{ missing|default:empty|default:"y" }}', "y", id="two filters"),
        pytest.param('{{ missing|default_if_none:"x" }}', "x", id="if_none: missing"),
        pytest.param('{{ nothing|default_if_none:"x" }}', "x", id="if_none: null"),
        pytest.param('{{ empty|default_if_none:"x" }}', "", id="if_none: empty text is an answer"),
        pytest.param('{{ zero|default_if_none:"x" }}', 0, id="if_none: 0 is an answer"),
        pytest.param('Dear {{ missing|default:"customer" }},', "Dear customer,", id="in text"),
    ],
)
def test_defaults(text: str, expected: Any) -> None:
    result = compile_template(text).render(CONTEXT)

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{% if x %}", "{% at character 1", id="tag"),
        pytest.param("ab{# x #}", "{# at character 3", id="comment"),
        pytest.param("ab {{ name", "{{ at character 4 is not closed", id="unclosed"),
        pytest.param("{{ name }", "not closed", id="half closed"),
        pytest.param('{{ a|default:"x }}', "a quote in it is not", id="unclosed quote"),
        pytest.param("{{ }}", "empty", id="empty"),
        pytest.param("{{{ name }}}", "begins with neither a name nor a quoted text", id="three braces"),
        pytest.param("{{ a {{ b }}", "only filters can follow", id="one in another"),
        pytest.param("{{ first-name }}", 'is taken by get, as in data|get:"first-name".', id="dash"),
        pytest.param("{{ tags.-1 }}", "is taken by get", id="negative index"),
        pytest.param("{{ name() }}", "nothing can be called; leave the brackets out", id="call"),
        pytest.param("{{ name[0] }}", "written with a dot, such as tags.0", id="brackets"),
        pytest.param("{{ name + 1 }}", "only filters can follow", id="sum"),
        pytest.param("{{ a|default:x-y }}", "a filter is written |name or |name:argument", id="dash in an argument"),
        pytest.param('{{ a|urlencode: "x" }}', "no space belongs behind the colon", id="space behind an optional colon"),
        pytest.param('{{ a|default: "x" }}', "right behind a colon", id="space behind the colon"),
        pytest.param("{{ _private }}", "underscore", id="underscore"),
        pytest.param("{{ a._hidden }}", "underscore", id="underscore inside"),
        pytest.param("{{ missing|default:_private }}", "underscore", id="underscore in an argument"),
        pytest.param("{{ a..b }}", "a dot has no name beside it", id="two dots"),
        pytest.param("{{ a. }}", "a dot has no name beside it", id="dot at the end"),
        pytest.param("{{ .a }}", "a dot has no name beside it", id="dot at the start"),
        pytest.param("{{ 12 }}", "begins with a number", id="number"),
        pytest.param("{{ 1.0 }}", "begins with a number", id="float"),
        pytest.param("{{ missing|default:1e999 }}", "too large", id="infinite number"),
        pytest.param("{{ missing|default:" + "9" * 400 + " }}", "too large", id="number of 400 digits"),
        pytest.param("{{ " + "9" * 400 + " }}", "too large", id="name of 400 digits"),
        pytest.param('{{ _("name") }}', "no translations", id="translated text"),
        pytest.param('{{ a|default:_("name") }}', "no translations", id="translated argument"),
        pytest.param('{{ |default:"x" }}', "begins with neither a name", id="filter without a name"),
        pytest.param("{{ a|default }}", 'takes something right behind a colon, such as default:"none".', id="no argument"),
        pytest.param('{{ a|upper:"x" }}', "the filter upper takes nothing behind a colon.", id="an argument too many"),
        pytest.param('{{ a|default:"x":"y" }}', "there is one argument", id="two arguments"),
        pytest.param("{{ a|uper }}", "there is no filter 'uper'; did you mean 'upper'; available are: add, base64, ", id="nearly a filter"),
        pytest.param("{{ a|xyzzy }}", "there is no filter 'xyzzy'; available are: add, base64, ", id="no filter"),
        pytest.param("{{ a|safe }}", "there is no filter 'safe'; nothing is escaped here: leave it out", id="Django's filter"),
        pytest.param('{{ a|replace:"x" }}', """write split:"old"|join:"new";""", id="filter of another language"),
        pytest.param("{{ a" + "|upper" * 21 + " }}", "it has more than 20 filters.", id="21 filters"),
        pytest.param("x" * (MAX_TEXT + 1), "longer than 1,000,000 characters", id="very long"),
        pytest.param("{{ " + "x" * 5000 + "! }}", "…", id="long name in the message"),
        pytest.param("{{ a" + " " * 500_000 + "b }}", "longer than 10,000 characters", id="long space"),
        pytest.param("{{ " + "a|" * 50_000 + "a }}", "longer than 10,000 characters", id="many filters"),
        pytest.param("{{" * 50_000, "not closed", id="many opening braces"),
        pytest.param("{{ '" + "\\'" * 100_000, "not closed", id="many escaped quotes"),
    ],
)  # fmt: skip  # in rows
def test_refused_when_compiled(text: str, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(text)

    assert words in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{{ town }}", "unknown name 'town'; available are: a, amount, ", id="unknown"),
        pytest.param("{{ a.town }}", "unknown name 'town' in 'a'; available are: b, secret.", id="unknown inside"),
        pytest.param("{{ a.b.1 }}", "unknown name '1' in 'a.b'; that is a list", id="index out of range"),
        pytest.param("{{ a.b.c }}", "unknown name 'c' in 'a.b'; that is a list", id="name on a list"),
        pytest.param(f"{{{{ tags.{'9' * 5000} }}}}", "that is a list", id="index of many digits"),
        pytest.param("{{ tags.\u0660 }}", "that is a list", id="index in other digits"),
        pytest.param("{{ nothing.x }}", "unknown name 'x' in 'nothing'; that is null", id="inside null"),
        pytest.param("{{ name.0 }}", "that is text", id="index on text"),
        pytest.param("{{ name.upper }}", "unknown name 'upper' in 'name'", id="method of a text"),
        pytest.param("{{ a.items }}", "unknown name 'items' in 'a'", id="method of an object"),
        pytest.param("{{ marker.attribute }}", "unknown name 'attribute'", id="attribute"),
        pytest.param("{{ missing|default:town }}", "unknown name 'town'", id="unknown fallback"),
        pytest.param("{{ marker }}", "{{ marker }}: a value is of the type Marker", id="no JSON"),
        pytest.param("{{ nan }}", "NaN or infinite", id="NaN"),
        pytest.param("{{ keyed }}", "a key is no text", id="keys that are no text"),
        pytest.param("{{ deep }}", "more than 100 levels deep", id="too deep"),
        pytest.param("Dear {{ nothing }}", "{{ nothing }} is null", id="null in text"),
        pytest.param("Dear {{ tags }}", "{{ tags }} is a list", id="list in text"),
        pytest.param("Dear {{ a }}", "{{ a }} is an object", id="object in text"),
        pytest.param("{{ long }}{{ long }}", "longer than 1,000,000 characters", id="too long"),
    ],
)
def test_refused_when_rendered(text: str, words: str) -> None:
    template = compile_template(text)
    deep: Any = []
    for _ in range(600):
        deep = [deep]
    odd = {"marker": Marker(), "nan": float("nan"), "keyed": {1: 2}, "deep": deep, "long": "x" * 600_000}

    with pytest.raises(TemplateError) as caught:
        template.render({**CONTEXT, **odd})

    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert "_private" not in str(caught.value)


def test_unknown_name_among_many_lists_a_few() -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template("{{ x }}").render({f"key{number:03}": "s3cr3t" for number in range(1000)})

    assert str(caught.value).endswith("key018, key019, ….")


def test_unknown_name_among_very_many_takes_no_time() -> None:
    context = {f"{number:06}{'x' * 50}": 1 for number in range(100_000)}

    began = time.thread_time()
    with pytest.raises(TemplateError, match="unknown name"):
        compile_template("{{ x01234567" + "x" * 50 + " }}").render(context)
    assert time.thread_time() - began < 10  # it takes no time; else minutes


def test_unknown_name_among_none() -> None:
    with pytest.raises(TemplateError, match="there are no names"):
        compile_template("{{ x }}").render({"not-a-name": 1, "_private": 2})


def test_names() -> None:
    template = compile_template('{{ a.b.0.c }} {{ "text" }} {{ x|default:y.z|default_if_none:5 }} {{ a.b.0.c }}')

    assert template.names == {"a.b.0.c", "x", "y.z"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("{{ amount }}", "12.5", id="number"),
        pytest.param("{{ yes }}", "true", id="boolean"),
        pytest.param("{{ name }}", "Ada", id="text"),
    ],
)
def test_render_text_gives_text_for_a_single_placeholder(text: str, expected: str) -> None:
    assert compile_template(text).render_text(CONTEXT) == expected


@pytest.mark.parametrize("text", ["{{ nothing }}", "{{ tags }}", "{{ a }}"])
def test_render_text_refuses_what_has_no_text(text: str) -> None:
    with pytest.raises(TemplateError, match="has no text"):
        compile_template(text).render_text(CONTEXT)


def test_encode_is_given_each_value_and_its_text() -> None:
    seen: list[tuple[Any, str]] = []

    def encode(value: Any, text: str) -> str:
        seen.append((value, text))
        return f"<{text}>"

    template = compile_template("a/{{ amount }}/{{ yes }}")

    assert template.render(CONTEXT, encode=encode) == "a/<12.5>/<true>"
    assert template.render_text(CONTEXT, encode) == "a/<12.5>/<true>"
    assert seen == [(12.5, "12.5"), (True, "true")] * 2


def test_encode_is_not_asked_where_the_type_is_kept() -> None:
    template = compile_template("{{ amount }}")

    assert template.render(CONTEXT, encode=lambda _, text: f"<{text}>") == 12.5
    assert template.render_text(CONTEXT, lambda _, text: f"<{text}>") == "<12.5>"


def test_a_value_is_not_read_as_a_template() -> None:
    assert compile_template("{{ x }}!").render({"x": "{{ name }}", "name": "Ada"}) == "{{ name }}!"


def test_changing_a_result_leaves_the_data_alone() -> None:
    data = {"rows": [{"id": 1}]}

    compile_template("{{ rows }}").render(data)[0]["id"] = 2

    assert data == {"rows": [{"id": 1}]}


def test_a_template_is_compiled_once_and_shared_by_threads() -> None:
    template = compile_template("{{ number }} of {{ name }}")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: template.render({"number": number, "name": "x"}), range(200)))

    assert results == [f"{number} of x" for number in range(200)]
    assert compile_template("{{ number }} of {{ name }}") is template
