from __future__ import annotations

import json
import locale
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.template import defaultfilters
from django.test import override_settings
from django.utils import dateformat, translation
from django.utils.safestring import SafeData

from apiconnector.exceptions import TemplateError
from apiconnector.templating import compile_template
from apiconnector.templating.filters import FILTERS
from apiconnector.templating.filters.dates import LETTERS
from apiconnector.templating.kinds import MAX_TEXT
from tests.frames import shown

CONTEXT: dict[str, Any] = {
    "name": "ada lovelace",
    "greeting": "Ça va, ß & <b>?",
    "joke": "it's o'reilly's 2nd book",
    "padded": "  x \n",
    "empty": "",
    "csv": "a,b,,c",
    "phone": "+31 (0)20-123 45",
    "digits": "12",
    "decimals": " -12.50 ",
    "comma": "12,50",
    "exponent": "1.5e3",
    "on": "On",
    "odd": "maybe",
    "zero": 0,
    "five": 5,
    "amount": 12.35,
    "price": 19.999,
    "half": 2.5,
    "round": 12.0,
    "tiny": 1e-7,
    "large": 1e300,
    "huge": 10**300,
    "ms": 1_780_000_000_123,
    "yes": True,
    "no": False,
    "nothing": None,
    "tags": ["a", "b", "c"],
    "mixed": [1, "x", True, 2.5],
    "nested": [["x"], None],
    "none_there": [],
    "person": {"first-name": "Ada", "0": "zero", "age": 36, "none": None},
    "nobody": {},
    "day": "2026-03-09",
    "noon": "2026-03-09T12:30:05.123456+00:00",
    "zulu": "2026-07-09T22:30:05Z",
    "naive": "2026-07-09T22:30:05",
    "epoch": 1_780_000_000,
    "fraction": 1_780_000_000.75,
    "early": "0001-01-01T00:00:00Z",
    "clock": "12:30",
    "zone": "America/New_York",
    "two": 2,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("{{ name|upper }}", "ADA LOVELACE", id="upper"),
        pytest.param("{{ greeting|upper }}", "ÇA VA, SS & <B>?", id="upper: Unicode"),
        pytest.param("{{ greeting|lower }}", "ça va, ß & <b>?", id="lower"),
        pytest.param("{{ five|lower }}", "5", id="lower: a number is written"),
        pytest.param("{{ yes|upper }}", "TRUE", id="upper: true is written"),
        pytest.param("{{ joke|title }}", "It's O'Reilly's 2nd Book", id="title"),
        pytest.param("{{ name|capfirst }}", "Ada lovelace", id="capfirst"),
        pytest.param("{{ empty|capfirst }}", "", id="capfirst: empty"),
        pytest.param("{{ greeting|slugify }}", "ca-va-b", id="slugify"),
        pytest.param("{{ padded|strip }}", "x", id="strip"),
        pytest.param('{{ phone|cut:" " }}', "+31(0)20-12345", id="cut"),
        pytest.param("{{ name|truncatechars:5 }}", "ada …", id="truncatechars"),
        pytest.param("{{ name|truncatechars:12 }}", "ada lovelace", id="truncatechars: it fits"),
        pytest.param("{{ name|truncatechars:1 }}", "…", id="truncatechars: one"),
        pytest.param('{{ name|concat:"!" }}', "ada lovelace!", id="concat: text"),
        pytest.param("{{ five|concat:zero }}", "50", id="concat: numbers are written"),
        pytest.param('{{ name|concat:":"|concat:digits|base64 }}', "YWRhIGxvdmVsYWNlOjEy", id="Basic by hand"),
        pytest.param("{{ greeting|base64 }}", "w4dhIHZhLCDDnyAmIDxiPj8=", id="base64"),
        pytest.param('{{ "??>"|base64url }}', "Pz8-", id="base64url: alphabet"),
        pytest.param('{{ "a"|base64url }}', "YQ", id="base64url: no padding"),
        pytest.param('{{ "a/b c&é+"|urlencode }}', "a/b%20c%26%C3%A9%2B", id="urlencode"),
        pytest.param('{{ "a/b c"|urlencode:"" }}', "a%2Fb%20c", id="urlencode: all"),
        pytest.param('{{ "a/b c&"|urlencode:"/&" }}', "a/b%20c&", id="urlencode: some"),
        pytest.param("{{ person|json }}", '{"first-name":"Ada","0":"zero","age":36,"none":null}', id="json: object"),
        pytest.param("{{ greeting|json }}", '"Ça va, ß & <b>?"', id="json: text"),
        pytest.param("{{ nothing|json }}", "null", id="json: null"),
        pytest.param("{{ five|string }}", "5", id="string: number"),
        pytest.param("{{ amount|string }}", "12.35", id="string: decimals"),
        pytest.param("{{ no|string }}", "false", id="string: false"),
        pytest.param('{{ csv|split:"," }}', ["a", "b", "", "c"], id="split"),
        pytest.param('{{ empty|split:"," }}', [""], id="split: empty"),
        pytest.param('{{ phone|split:"-"|join:" " }}', "+31 (0)20 123 45", id="replace"),
        pytest.param('{{ tags|join:", " }}', "a, b, c", id="join"),
        pytest.param('{{ mixed|join:"" }}', "1xtrue2.5", id="join: mixed"),
        pytest.param('{{ none_there|join:"," }}', "", id="join: empty"),
        pytest.param("{{ tags|length }}", 3, id="length: list"),
        pytest.param("{{ name|length }}", 12, id="length: text"),
        pytest.param("{{ person|length }}", 4, id="length: object"),
        pytest.param("{{ tags|first }}", "a", id="first"),
        pytest.param("{{ mixed|first }}", 1, id="first: keeps its type"),
        pytest.param("{{ none_there|first }}", None, id="first: of nothing"),
        pytest.param('{{ none_there|first|default:"x" }}', "x", id="first: of nothing, with a default"),
        pytest.param("{{ empty|first }}", "", id="first: of empty text"),
        pytest.param("{{ mixed|last }}", 2.5, id="last"),
        pytest.param("{{ name|last }}", "e", id="last: character"),
        pytest.param('{{ tags|slice:"1:" }}', ["b", "c"], id="slice: list"),
        pytest.param('{{ name|slice:":3" }}', "ada", id="slice: text"),
        pytest.param('{{ name|slice:"-3:" }}', "ace", id="slice: from the end"),
        pytest.param('{{ tags|slice:"::-1" }}', ["c", "b", "a"], id="slice: backwards"),
        pytest.param('{{ tags|slice:"5:9" }}', [], id="slice: beyond"),
        pytest.param('{{ person|get:"first-name" }}', "Ada", id="get: key"),
        pytest.param("{{ person|get:0 }}", "zero", id="get: key of digits"),
        pytest.param("{{ tags|get:1 }}", "b", id="get: index"),
        pytest.param('{{ person|get:"none" }}', None, id="get: null"),
        pytest.param('{{ person|get:"x"|default:"none" }}', "none", id="get: missing, with a default"),
        pytest.param("{{ tags|get:9|default_if_none:0 }}", 0, id="get: index out of range, with a default"),
        pytest.param("{{ five|add:2 }}", 7, id="add: whole numbers"),
        pytest.param("{{ five|add:-2.5 }}", 2.5, id="add: decimals"),
        pytest.param("{{ amount|add:0.1 }}", 12.45, id="add: exact"),
        pytest.param("{{ huge|add:1 }}", 10**300 + 1, id="add: many digits"),
        pytest.param("{{ five|add:two }}", 7, id="add: a name"),
        pytest.param("{{ amount|multiply:100 }}", 1235.0, id="multiply: exact"),
        pytest.param("{{ amount|multiply:100|int }}", 1235, id="cents"),
        pytest.param("{{ five|multiply:5 }}", 25, id="multiply: whole numbers"),
        pytest.param("{{ digits|int }}", 12, id="int: text"),
        pytest.param("{{ round|int }}", 12, id="int: no decimals"),
        pytest.param("{{ yes|int }}", 1, id="int: true"),
        pytest.param("{{ no|int }}", 0, id="int: false"),
        pytest.param("{{ price|floatformat:0|int }}", 20, id="rounded"),
        pytest.param("{{ digits|float }}", 12.0, id="float: text"),
        pytest.param("{{ decimals|float }}", -12.5, id="float: text with decimals"),
        pytest.param("{{ exponent|float }}", 1500.0, id="float: exponent"),
        pytest.param("{{ five|float }}", 5.0, id="float: whole number"),
        pytest.param("{{ price|floatformat:2 }}", "20.00", id="floatformat: rounds"),
        pytest.param("{{ half|floatformat:0 }}", "3", id="floatformat: half up"),
        pytest.param("{{ half|floatformat }}", "2.5", id="floatformat: by itself"),
        pytest.param("{{ round|floatformat }}", "12", id="floatformat: no decimals"),
        pytest.param("{{ five|floatformat:2 }}", "5.00", id="floatformat: whole number"),
        pytest.param("{{ decimals|floatformat:-3 }}", "-12.500", id="floatformat: text"),
        pytest.param("{{ tiny|floatformat:2 }}", "0.00", id="floatformat: tiny"),
        pytest.param("{{ tiny|multiply:-1|floatformat:0 }}", "0", id="floatformat: no minus zero"),
        pytest.param("{{ huge|floatformat:1 }}", "1" + "0" * 300 + ".0", id="floatformat: huge"),
        pytest.param("{{ yes|bool }}", True, id="bool: true"),
        pytest.param("{{ on|bool }}", True, id="bool: on"),
        pytest.param("{{ zero|bool }}", False, id="bool: 0"),
        pytest.param("{{ empty|bool }}", False, id="bool: empty"),
        pytest.param("{{ missing|default:false|bool }}", False, id="bool: of a default"),
        pytest.param('{{ yes|yesno:"Y,N" }}', "Y", id="yesno: true"),
        pytest.param('{{ no|yesno:"Y,N" }}', "N", id="yesno: false"),
        pytest.param('{{ nothing|yesno:"Y,N" }}', "N", id="yesno: null is no"),
        pytest.param('{{ nothing|yesno:"Y,N,?" }}', "?", id="yesno: null"),
        pytest.param("{{ missing|default:true }}", True, id="default: true"),
        pytest.param("{{ missing|default:null }}", None, id="default: null"),
        pytest.param("{{ zero|default:5 }}", 0, id="default: 0 is an answer"),
        pytest.param("{{ tags|get:0|upper }}", "A", id="in a row"),
        pytest.param('x{{ five|concat:"!" }}', "x5!", id="in text"),
        pytest.param('{{ day|date:"d/m/Y" }}', "09/03/2026", id="date: a day"),
        pytest.param('{{ day|date:"c" }}', "2026-03-09T00:00:00+00:00", id="date: a day is midnight in UTC"),
        pytest.param(r'{{ zulu|date:"Y-m-d\TH:i:s\Z" }}', "2026-07-09T22:30:05Z", id="date: escaped letters"),
        pytest.param('{{ zulu|date:"j F Y" }}', "9 July 2026", id="date: month"),
        pytest.param('{{ epoch|date:"Y-m-d" }}', "2026-05-28", id="date: seconds"),
        pytest.param('{{ ms|multiply:0.001|date:"Y" }}', "2026", id="date: milliseconds"),
        pytest.param('{{ naive|date:"c" }}', "2026-07-09T22:30:05-05:00", id="date: the site's time zone"),
        pytest.param('{{ noon|date:"u" }}', "123456", id="date: microseconds"),
        pytest.param("{{ noon|epoch }}", 1773059405, id="epoch"),
        pytest.param("{{ noon|epoch_ms }}", 1773059405123, id="epoch_ms"),
        pytest.param("{{ fraction|epoch_ms }}", 1780000000750, id="epoch_ms: of seconds"),
        pytest.param("{{ day|epoch_ms }}", 1773014400000, id="epoch_ms: a day is midnight in UTC"),
        pytest.param("{{ early|epoch }}", -62135596800, id="epoch: long ago"),
        pytest.param('{{ zulu|epoch|add:3600|date:"c" }}', "2026-07-09T23:30:05+00:00", id="an hour later"),
        pytest.param('{{ zulu|timezone:"Europe/Amsterdam" }}', "2026-07-10T00:30:05+02:00", id="timezone"),
        pytest.param('{{ zulu|timezone:"Europe/Amsterdam"|date:"d-m-Y H:i" }}', "10-07-2026 00:30", id="timezone, date"),
        pytest.param("{{ zulu|timezone:zone }}", "2026-07-09T18:30:05-04:00", id="timezone: a name"),
        pytest.param('{{ epoch|timezone:"UTC" }}', "2026-05-28T20:26:40+00:00", id="timezone: UTC"),
    ],
)  # fmt: skip  # in rows
@override_settings(TIME_ZONE="America/Bogota")
def test_filters(text: str, expected: Any) -> None:
    result = compile_template(text).render(CONTEXT)

    assert result == expected
    assert type(result) is type(expected)
    assert not isinstance(result, SafeData)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{{ tags|upper }}", '{{ tags }}: the filter upper takes text, not a list; first, or join:", ", before it makes one value of a list.', id="list as text"),
        pytest.param("{{ nothing|lower }}", 'the filter lower takes text, not null; default:"" before it stands in for null.', id="null as text"),
        pytest.param("{{ person|cut:1 }}", "the filter cut takes text, not an object; name one of its keys.", id="object as text"),
        pytest.param("{{ missing|upper }}", "{{ missing }}: unknown name 'missing'", id="missing"),
        pytest.param('{{ missing|upper|default:"x" }}', "unknown name 'missing'", id="missing, with a default too late"),
        pytest.param("{{ name|concat:missing }}", "{{ missing }}: unknown name 'missing'", id="argument missing"),
        pytest.param("{{ name|concat:tags }}", "{{ name }}: the filter concat takes text behind the colon, not a list.", id="argument of another kind"),
        pytest.param("{{ name|cut:empty }}", "the filter cut takes behind the colon at least one character.", id="empty argument"),
        pytest.param("{{ name|split:empty }}", "the filter split takes behind the colon at least one character.", id="split by nothing"),
        pytest.param("{{ name|truncatechars:zero }}", "takes behind the colon a whole number of characters, 1 or more", id="truncated to nothing"),
        pytest.param("{{ name|urlencode:greeting }}", "only characters of ASCII", id="urlencode: argument"),
        pytest.param("{{ surrogate|base64 }}", "takes text that UTF-8 can write", id="surrogate: base64"),
        pytest.param("{{ surrogate|urlencode }}", "takes text that UTF-8 can write", id="surrogate: urlencode"),
        pytest.param('{{ tags|split:"," }}', "the filter split takes text, not a list", id="split of a list"),
        pytest.param('{{ name|join:"," }}', """the filter join takes a list, not text; split:"," before it makes a list of text.""", id="join of text"),
        pytest.param('{{ nested|join:"," }}', "takes a list of texts, numbers, true and false, and one item is a list.", id="join of lists"),
        pytest.param("{{ five|length }}", "the filter length takes text, a list or an object, not a number.", id="length of a number"),
        pytest.param("{{ five|first }}", "the filter first takes text or a list, not a number.", id="first of a number"),
        pytest.param("{{ person|last }}", "takes text or a list, not an object", id="last of an object"),
        pytest.param("{{ tags|slice:name }}", 'takes behind the colon a slice such as ":10", "2:5" or "-3:".', id="slice"),
        pytest.param('{{ person|get:"x" }}', "{{ person }}: the filter get finds nothing there; default behind it stands in.", id="get: missing"),
        pytest.param('{{ person|get:"x"|upper }}', "the filter upper is given nothing, for nothing is there; default before it", id="get: missing, filtered"),
        pytest.param('{{ name|get:"upper" }}', "the filter get takes an object or a list, not text.", id="get of text"),
        pytest.param("{{ digits|add:1 }}", "the filter add takes a number, not text; int or float before it makes a number of text.", id="add to text"),
        pytest.param("{{ yes|add:1 }}", "takes a number, not true or false.", id="add to true"),
        pytest.param("{{ five|add:digits }}", "the filter add takes a number behind the colon, not text.", id="add text"),
        pytest.param("{{ large|multiply:large }}", "would give a number that is too large.", id="infinite"),
        pytest.param("{{ huge|multiply:huge }}", "would give a number that is too large.", id="too many digits"),
        pytest.param("{{ half|int }}", "takes a whole number, and this has decimals; floatformat:0 before it rounds.", id="int: decimals"),
        pytest.param("{{ exponent|int }}", "takes a whole number, and this has decimals or an exponent", id="int: exponent"),
        pytest.param("{{ name|int }}", "takes a number, and this text is none.", id="int: text"),
        pytest.param("{{ comma|float }}", "takes a number, and this text is none; decimals are written with a dot.", id="float: comma"),
        pytest.param("{{ empty|float }}", "takes a number, and this text is none.", id="float: empty"),
        pytest.param('{{ "1e999"|float }}', "would give a number that is too large.", id="float: infinite"),
        pytest.param('{{ "nan"|float }}', "this text is none.", id="float: nan"),
        pytest.param('{{ "1e999"|floatformat:2 }}', "takes a number of fewer digits.", id="floatformat: infinite"),
        pytest.param("{{ half|floatformat:five|floatformat:half }}", "the number of decimals, from -20 to 20.", id="floatformat: decimals of decimals"),
        pytest.param("{{ yes|floatformat }}", "takes a number, or text that is one, not true or false.", id="floatformat: true"),
        pytest.param("{{ odd|bool }}", "takes one of true, yes, on, 1, or of false, no, off, 0 and empty text; this is another.", id="bool: text"),
        pytest.param("{{ five|bool }}", "this is another.", id="bool: number"),
        pytest.param("{{ on|yesno:csv }}", "takes true, false or null, not text.", id="yesno: text"),
        pytest.param("{{ yes|yesno:csv }}", "two or three texts with commas: for true, for false, for null.", id="yesno: four"),
        pytest.param('{{ name|date:"Y" }}', "takes a date or time in ISO 8601, such as 2026-05-01 or 2026-05-01T12:00:00Z; this text is none.", id="date: no date"),
        pytest.param('{{ clock|date:"H" }}', "takes a date or time in ISO 8601", id="date: a time of day"),
        pytest.param('{{ tags|date:"Y" }}', "takes a date or time as ISO 8601 text, or seconds since 1970, not a list", id="date: a list"),
        pytest.param("{{ ms|epoch }}", "this is too large; multiply:0.001 before it makes them of milliseconds.", id="milliseconds"),
        pytest.param("{{ epoch|multiply:-50|epoch }}", "takes seconds since 1970, of the years 1 to 9999.", id="before the year 1"),
        pytest.param('{{ day|timezone:"UTC" }}', "takes a date with a time: a day alone is the same in every time zone; leave it out.", id="timezone: a day"),
        pytest.param("{{ zulu|timezone:name }}", 'the name of a time zone, such as "Europe/Amsterdam" or "UTC".', id="timezone: unknown"),
        pytest.param("{{ early|timezone:zone }}", "takes a time of the years 1 to 9999.", id="timezone: before the year 1"),
        pytest.param("{{ marker|json }}", "can't write this: a value is of the type object", id="json: no JSON"),
        pytest.param("{{ marker|first }}", "takes text or a list, not no JSON", id="no JSON"),
        pytest.param("{{ long|base64 }}", "{{ long }}: the filter base64 would give more than 1,000,000 characters.", id="too long: base64"),
        pytest.param("{{ long|concat:long }}", "would give more than 1,000,000 characters.", id="too long: concat"),
        pytest.param("{{ many|join:long }}", "the filter join would give more than 1,000,000 characters.", id="too long: join"),
        pytest.param('{{ long|split:"x" }}', "would give more than 10,000 items.", id="too many items"),
    ],
)  # fmt: skip  # in rows
def test_what_does_not_fit(text: str, words: str) -> None:
    template = compile_template(text)
    odd = {"surrogate": "s3cr3t\ud800", "marker": object(), "long": "x" * 900_000, "many": ["y"] * 100_000}

    with pytest.raises(TemplateError) as caught:
        template.render({**CONTEXT, **odd})

    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param('{{ x|cut:"" }}', "the filter cut takes behind the colon at least one character.", id="cut"),
        pytest.param("{{ x|truncatechars:0 }}", "a whole number of characters, 1 or more.", id="truncatechars: 0"),
        pytest.param('{{ x|truncatechars:"5" }}', "takes a number behind the colon, not text.", id="truncatechars: text"),
        pytest.param("{{ x|truncatechars:1.5 }}", "a whole number of characters, 1 or more.", id="truncatechars: decimals"),
        pytest.param("{{ x|add:true }}", "takes a number behind the colon, not true or false.", id="add"),
        pytest.param("{{ x|concat:null }}", "takes text behind the colon, not null.", id="concat"),
        pytest.param("{{ x|floatformat:21 }}", "the number of decimals, from -20 to 20.", id="floatformat: too many"),
        pytest.param('{{ x|floatformat:"2g" }}', "takes a number behind the colon, not text.", id="floatformat: grouped"),
        pytest.param('{{ x|yesno:"Y" }}', "two or three texts with commas", id="yesno"),
        pytest.param('{{ x|slice:"5" }}', 'a slice such as ":10"', id="slice: number"),
        pytest.param('{{ x|slice:"-:" }}', 'a slice such as ":10"', id="slice: a dash alone"),
        pytest.param('{{ x|slice:"::0" }}', 'a slice such as ":10"', id="slice: step 0"),
        pytest.param('{{ x|slice:"::-" }}', 'a slice such as ":10"', id="slice: step of a dash"),
        pytest.param('{{ x|date:"" }}', 'a format such as "Y-m-d", of at most 100 characters.', id="date: empty"),
        pytest.param('{{ x|date:"' + "Y " * 51 + '" }}', "of at most 100 characters.", id="date: long"),
        pytest.param('{{ x|date:"YYYY-MM-DD" }}', "a format of single letters", id="date: doubled letters"),
        pytest.param('{{ x|date:"%Y-%m-%d" }}', "a format of single letters", id="date: percent"),
        pytest.param('{{ x|date:"Y-m-dTH:i" }}', r"knows no letter T; there are Y y o m n M F W d j S D l w z H G h g A i s u O c r U; before a letter that is meant as it is, write \, such as \T.", id="date: letter"),
        pytest.param(r'{{ x|date:"Y\\" }}', "doesn't end with a single", id="date: backslash at the end"),
        pytest.param('{{ x|timezone:"Mars/Olympus" }}', "the name of a time zone", id="timezone"),
        pytest.param('{{ x|timezone:"../../etc/passwd" }}', "the name of a time zone", id="timezone: a path"),
        pytest.param('{{ x|timezone:"Europe" }}', "the name of a time zone", id="timezone: a folder"),
        pytest.param('{{ x|timezone:"" }}', "the name of a time zone", id="timezone: empty"),
    ],
)  # fmt: skip  # in rows
def test_arguments_are_checked_when_compiled(text: str, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(text)

    assert "{{ x|" in str(caught.value)
    assert "can't be read: the filter" in str(caught.value)
    assert words in str(caught.value)


OF_EVERY_KIND: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -5,
        12.5,
        1e300,
        10**400,
        1_780_000_000,
        "",
        " ",
        "12",
        "-1.5",
        "a,b",
        "on",
        "2026-03-09",
    ),
    *(
        "2026-03-09T12:30:05Z",
        "canary " * 3,
        "é\ud800",
        "\x00",
        [],
        ["a"],
        [1, None],
        [["a"]],
        {},
        {"a": "b"},
        "9" * 5000,
    ),
]
ARGUMENTS = [None, *OF_EVERY_KIND, "Y-m-d", "UTC", ":2", "Y,N"]


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_whatever_a_filter_is_given_it_gives_json_or_our_error(name: str) -> None:
    templates = [f"{{{{ value|{name} }}}}", f"{{{{ value|{name}:argument }}}}"]
    gave = 0
    refused = []
    for text in templates:
        try:
            template = compile_template(text)
        except TemplateError:
            continue
        for value in OF_EVERY_KIND:
            for argument in ARGUMENTS:
                try:
                    json.dumps(template.render({"value": value, "argument": argument}), allow_nan=False)
                    gave += 1
                except TemplateError as error:
                    refused.append(str(error))
    assert gave
    assert refused or name in {"default", "default_if_none", "json"}
    assert [error for error in refused if f"the filter {name} " not in error or "canary" in error] == []


SAME_AS_DJANGO = [
    *("joke|title", "name|capfirst", "greeting|lower", "greeting|upper", "greeting|slugify", 'phone|cut:" "'),
    *("greeting|urlencode", 'greeting|urlencode:""', 'csv|slice:"1:3"', 'tags|slice:"::2"', "tags|first", "tags|last"),
    *("tags|length", "five|add:2", 'yes|yesno:"a,b"', 'nothing|yesno:"a,b,c"', 'nothing|yesno:"a,b"', 'name|default:"x"'),
    *('nothing|default_if_none:"x"', "name|truncatechars:5", "name|truncatechars:99"),
]  # fmt: skip  # in rows


@pytest.mark.parametrize("text", SAME_AS_DJANGO)
def test_the_same_as_django(text: str) -> None:
    template = compile_template(f"{{{{ {text} }}}}")
    (placeholder,) = template.parts
    assert not isinstance(placeholder, str)
    (step,) = placeholder.steps
    arguments = () if step.filter.argument is None or ":" not in text else (step.argument,)
    value = CONTEXT[str(placeholder.subject)]

    assert template.render(CONTEXT) == defaultfilters.register.filters[step.filter.name](value, *arguments)


@pytest.mark.parametrize("places", [-3, -2, -1, 0, 1, 2, 5])
def test_floatformat_is_the_same_as_djangos(places: int) -> None:
    template = compile_template(f"{{{{ x|floatformat:{places} }}}}")
    for number in (
        0,
        1,
        -1,
        5,
        12.0,
        12.35,
        -12.35,
        0.5,
        1.5,
        2.5,
        -0.5,
        1e-7,
        -1e-7,
        1e15,
        123456789.987654321,
        0.05,
        99.995,
    ):
        assert template.render({"x": number}) == str(defaultfilters.floatformat(number, f"{places}u")), number


@pytest.mark.parametrize("letter", LETTERS)
def test_letters_of_dates_are_the_same_as_djangos(letter: str) -> None:
    template = compile_template(f'{{{{ x|date:"{letter}" }}}}')
    start = datetime(2019, 12, 28, 0, 0, 5, 1234, tzinfo=ZoneInfo("Europe/Amsterdam"))
    for number in range(60):
        when = start + timedelta(days=number * 13, hours=number * 5, minutes=number * 7)
        assert template.render({"x": when.isoformat()}) == str(dateformat.format(when, letter)), when
    early = datetime(101, 1, 1, tzinfo=UTC)
    assert template.render({"x": early.isoformat()}) == str(dateformat.format(early, letter))


@pytest.fixture
def _a_site_that_localizes() -> Any:
    previous = locale.setlocale(locale.LC_ALL)
    with (
        override_settings(
            LANGUAGE_CODE="nl",
            USE_THOUSAND_SEPARATOR=True,
            DECIMAL_SEPARATOR=",",
            THOUSAND_SEPARATOR=".",
            NUMBER_GROUPING=3,
            DATE_FORMAT="l j F",
        ),
        translation.override("nl"),
    ):
        yield
    locale.setlocale(locale.LC_ALL, previous)


@pytest.mark.usefixtures("_a_site_that_localizes")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("{{ x|floatformat:2 }}", "1234567.50", id="floatformat"),
        pytest.param("{{ x }}!", "1234567.5!", id="number in text"),
        pytest.param("{{ x|string }}", "1234567.5", id="string"),
        pytest.param('{{ day|date:"l D j F M Y A" }}', "Monday Mon 9 March Mar 2026 AM", id="date"),
        pytest.param('{{ day|date:"r" }}', "Mon, 09 Mar 2026 00:00:00 +0000", id="date: r"),
        pytest.param('{{ yes|yesno:"yes,no" }}', "yes", id="yesno"),
        pytest.param("{{ name|truncatechars:4 }}", "ada…", id="truncatechars"),
        pytest.param("{{ html }}{{ html|upper }}", "<b><B>", id="nothing is escaped"),
    ],
)
def test_nothing_is_localized_or_escaped(text: str, expected: str) -> None:
    assert translation.gettext("March") == "maart"

    assert compile_template(text).render({**CONTEXT, "x": 1234567.5, "html": "<b>"}) == expected


def test_results_fit_the_limit() -> None:
    assert len(compile_template("{{ x|upper }}").render({"x": "x" * MAX_TEXT})) == MAX_TEXT
    assert len(compile_template('{{ x|join:"" }}').render({"x": ["y" * 1000] * 1000})) == MAX_TEXT
    assert len(compile_template('{{ x|split:"," }}').render({"x": "," * 9_999})) == 10_000


def test_a_chain_of_filters_stays_small() -> None:
    text = "{{ x" + "|concat:x" * 20 + " }}"

    with pytest.raises(TemplateError, match="would give more than 1,000,000 characters"):
        compile_template(text).render({"x": "x" * 300_000})
    with pytest.raises(TemplateError, match="a number that is too large"):
        compile_template("{{ x" + "|multiply:x" * 20 + " }}").render({"x": 10**200})


def test_an_error_of_a_filter_chains_nothing_of_the_value() -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template("{{ x|base64 }}").render({"x": "s3cr3t\ud800"})

    assert "s3cr3t" not in shown(caught.value)
