"""Placeholders for what is sent, expressions for what came back.

``{{ name|filter }}`` fills URLs, headers, parameters and bodies; JMESPath picks and decides. Both know
nothing of models: they are handed plain JSON data, and give plain JSON data of their own.

When something is saved: ``check`` (JSON and text), ``check_url`` (a whole address), ``check_path`` (one below a base
address), ``check_names`` (which names may stand there, and which secrets may not) and ``compile_expression``. When it
is used: ``fill``, ``fill_url``, ``fill_path``, ``search`` and ``truth``. All raise ``TemplateError`` or
``ExpressionError``, whose text says what is wrong, where, and what to write instead, and holds no value.
"""

from apiconnector.templating.empty import OMITTED, Empty
from apiconnector.templating.expressions import Expression, compile_expression, looks_at, search, truth
from apiconnector.templating.files import MARKER, REFERENCE, is_file, references
from apiconnector.templating.fill import check, check_path, fill, fill_pairs, fill_path, names_in
from apiconnector.templating.filters import FILTERS
from apiconnector.templating.names import (
    AFTER_AUTHORIZE_NAMES,
    BROWSER_NAMES,
    CONNECTION_NAMES,
    FEED_ITEM_NAMES,
    FEED_NAMES,
    LABEL_NAMES,
    AllowedNames,
    check_names,
)
from apiconnector.templating.placeholders import compile_template
from apiconnector.templating.template import Template
from apiconnector.templating.urls import check_url, fill_url, secrets_before_path

__all__ = [
    "AFTER_AUTHORIZE_NAMES",
    "BROWSER_NAMES",
    "CONNECTION_NAMES",
    "FEED_ITEM_NAMES",
    "FEED_NAMES",
    "FILTERS",
    "LABEL_NAMES",
    "MARKER",
    "OMITTED",
    "REFERENCE",
    "AllowedNames",
    "Empty",
    "Expression",
    "Template",
    "check",
    "check_names",
    "check_path",
    "check_url",
    "compile_expression",
    "compile_template",
    "fill",
    "fill_pairs",
    "fill_path",
    "fill_url",
    "is_file",
    "looks_at",
    "names_in",
    "references",
    "search",
    "secrets_before_path",
    "truth",
]
