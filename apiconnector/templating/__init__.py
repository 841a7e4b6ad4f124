"""Placeholders for what is sent, expressions for what came back.

``{{ name|filter }}`` fills URLs, headers, parameters and bodies; JMESPath picks and decides. Both know
nothing of models: they are handed plain JSON data, and give plain JSON data of their own.
"""

from apiconnector.templating.expressions import Expression, compile_expression, search, truth
from apiconnector.templating.fill import check, fill, fill_path, names_in
from apiconnector.templating.placeholders import compile_template
from apiconnector.templating.template import Template
from apiconnector.templating.urls import check_url, fill_url

__all__ = [
    "Expression",
    "Template",
    "check",
    "check_url",
    "compile_expression",
    "compile_template",
    "fill",
    "fill_path",
    "fill_url",
    "names_in",
    "search",
    "truth",
]
