"""One request described as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apiconnector import conf
from apiconnector.exceptions import ExpressionError, TemplateError
from apiconnector.fields import JSONTextField

if TYPE_CHECKING:
    from django.db.models import Manager


class Feed(models.Model):
    """A request that an admin describes and a form handler fills: method, path, mapping."""

    class Method(models.TextChoices):
        """Methods of RFC 9110 and RFC 5789."""

        GET = "GET", "GET"
        POST = "POST", "POST"
        PUT = "PUT", "PUT"
        PATCH = "PATCH", "PATCH"
        DELETE = "DELETE", "DELETE"

    class BodyFormat(models.TextChoices):
        """How the body is written."""

        NONE = "none", "No body"
        JSON = "json", "JSON"
        FORM = "form", "Form"
        MULTIPART = "multipart", "Multipart: fields and files"
        TEXT = "text", "Text, such as XML or GraphQL; or one file as it is"

    class EmptyValues(models.TextChoices):
        """What becomes of a placeholder whose name is missing, or whose value is null, "", [] or {}."""

        KEEP = "keep", "Sent as they are; a missing one is an error"
        OMIT = "omit", "Left out"
        NULL = "null", "Sent as null"
        EMPTY = "empty", "Sent as an empty text"
        REFUSE = "refuse", "An error: nothing is sent"

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True, help_text="The name code uses: run_feed(“slug”, data).")
    connection = models.ForeignKey("apiconnector.Connection", on_delete=models.PROTECT, related_name="feeds")
    trigger = models.CharField(
        max_length=100, blank=True, db_index=True, help_text="Runs when code says submit(“trigger”, data)."
    )
    after = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="followers",
        help_text="Waits until this feed of the same trigger has succeeded; what that one kept of its answer is there "
        "as “{{ values.name }}”.",
    )
    is_active = models.BooleanField("active", default=True)
    is_paused = models.BooleanField(
        "paused", default=False, help_text="What is submitted is kept, and sent once this is switched off again."
    )
    method = models.CharField(max_length=10, choices=Method, default=Method.POST)
    path = models.CharField(
        max_length=500, blank=True, help_text="Below the connection's base URL, such as “contacts/{{ id }}”."
    )
    query = JSONTextField(
        default=dict, blank=True, json_type=(dict, list), help_text="JSON object, or a list of pairs."
    )
    headers = JSONTextField(
        default=dict, blank=True, json_type=(dict, list), help_text="JSON object, or a list of pairs."
    )
    body_format = models.CharField(max_length=10, choices=BodyFormat, default=BodyFormat.NONE)
    body = JSONTextField(
        default=None,
        null=True,
        blank=True,
        help_text='JSON with placeholders, such as {"email": "{{ email }}"}. One placeholder alone keeps its type.',
    )
    empty_values = models.CharField(
        max_length=10,
        choices=EmptyValues,
        default=EmptyValues.KEEP,
        help_text="What becomes of missing and empty values in query, headers and body.",
    )
    condition = models.CharField(
        max_length=500,
        blank=True,
        help_text="JMESPath on the submitted data: sent only where it is true, such as newsletter == `true`.",
    )
    for_each = models.CharField(
        max_length=500,
        blank=True,
        help_text="JMESPath to a list in the submitted data, such as rows: one request for each, which is “item” "
        "there.",
    )
    success_when = models.CharField(
        max_length=500,
        blank=True,
        help_text="JMESPath on an answer: it succeeded only where this is true, such as body.success.",
    )
    response_values = JSONTextField(
        default=dict,
        blank=True,
        json_type=dict,
        help_text='What to keep of the answer: names with JMESPath, such as {"contact_id": "body.id"}.',
    )
    idempotency_header = models.CharField(
        max_length=100,
        blank=True,
        help_text="Such as Idempotency-Key, where the API knows one: makes re-sending safe.",
    )
    max_attempts = models.PositiveIntegerField(default=14, validators=[MinValueValidator(1)])
    retry_delay = models.FloatField(
        default=10,
        validators=[MinValueValidator(0)],
        help_text="Seconds before the second attempt; tripled each time, at most 12 hours.",
    )
    timeout = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.001), MaxValueValidator(conf.MAX_TIMEOUT)],
        help_text="Seconds; empty: the connection's.",
    )

    body_limit = models.PositiveIntegerField(
        default=10_000,
        help_text="So many characters of each body are kept in the record; 0 keeps none, nor what was submitted once "
        "it has arrived.",
    )
    notify = models.CharField(
        "tell of failures",
        max_length=500,
        blank=True,
        help_text="Mail addresses, with commas between them: told once when runs begin to fail, and when they succeed "
        "again.",
    )
    visitor_message = models.CharField(
        max_length=200,
        blank=True,
        help_text="Shown to the visitor of a form where what was entered could not be sent at once; empty: nothing.",
    )
    #: Written by the machine: since when runs fail, so that people are told once.
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)

    #: Whether nothing is wrong with it, as far as is known: it was looked at when it was found by its slug.
    is_sound: bool = False

    objects: ClassVar[Manager[Feed]]

    class Meta:
        ordering = ("name",)
        permissions = (("send_feed", "Can send feeds by hand"),)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Check mapping, names, expressions and the order of feeds, and refuse what this version can't do."""
        from apiconnector.models import following, notified

        problems = self.problems() or following.problems(self) or self._name_problems()
        if message := notified.problem(self.notify):
            problems["notify"] = message
        if problems:
            raise ValidationError(problems)

    def _name_problems(self) -> dict[str, str]:
        """Names that may not stand where they do, by field: secrets, as what a feed sends is kept in its log."""
        from apiconnector.models import following, names
        from apiconnector.templating import check_names

        if not hasattr(self, "connection"):
            return {}  # none was chosen, which is said at its field
        allowed = names.for_feeds(self.connection, values=following.values_before(self), has_item=bool(self.for_each))
        found = {}
        for name in ("path", "query", "headers", "body"):
            try:
                check_names(getattr(self, name), allowed)
            except TemplateError as error:
                found[name] = str(error)
        return found

    def problems(self) -> dict[str, str]:
        """Everything wrong with the feed, by field."""
        from apiconnector.models.validation import json_problem
        from apiconnector.templating import check_path

        found: dict[str, str] = {}
        for name in ("condition", "for_each", "success_when"):
            if message := _expression_problem(getattr(self, name)):
                found[name] = message
        if message := self._body_problem():
            found["body"] = message
        try:
            check_path(self.path)
        except TemplateError as error:
            found["path"] = str(error)
        for name in ("query", "headers"):
            if message := json_problem(getattr(self, name), headers=name == "headers", pairs=True):
                found[name] = message
        if self.idempotency_header and json_problem({self.idempotency_header: ""}, headers=True):
            found["idempotency_header"] = "Enter the name of a header, such as Idempotency-Key."
        if message := self._values_problem():
            found["response_values"] = message
        return found

    def _body_problem(self) -> str:
        from apiconnector.models.validation import json_problem
        from apiconnector.templating import check

        if self.body_format == self.BodyFormat.NONE:
            return "" if self.body in (None, "", {}, []) else "Choose a body format, or empty the body."
        if self.body_format in {self.BodyFormat.FORM, self.BodyFormat.MULTIPART}:
            return json_problem({} if self.body is None else self.body, pairs=True)
        if self.body_format == self.BodyFormat.TEXT and (not isinstance(self.body, str) or not self.body):
            return (
                "Enter the body as text, such as <lead>{{ email|escape }}</lead>. As JSON it stands in double quotes, "
                "with \\n for a new line."
            )
        try:
            check(self.body)
        except TemplateError as error:
            return str(error)
        return ""

    def _values_problem(self) -> str:
        if not isinstance(self.response_values, dict):
            return 'Enter a JSON object, such as {"contact_id": "body.id"}.'
        for name, expression in self.response_values.items():
            if not isinstance(expression, str) or not expression:
                return f"{name}: enter a JMESPath expression as text."
            if message := _expression_problem(expression):
                return f"{name}: {message}"
        return ""


def _expression_problem(expression: str) -> str:
    """What is wrong with an expression; empty where nothing is, and where there is none."""
    from apiconnector.templating import compile_expression

    try:
        if expression:
            compile_expression(expression)
    except ExpressionError as error:
        # A form has no room for the line that points at the place.
        reason, *_ = str(error).splitlines()
        return reason
    return ""
