"""The ways in which a provider differs from RFC 6749, as checked data.

``read()`` turns the JSON of ``Connection.dialect`` into a ``Dialect``; an empty one is a provider that does not differ.
Nothing here sends anything or knows a model: values are filled in and requests are made by those who use it.
"""

from apiconnector.dialect.kept import Kept, KeptValueError, KeptValueMissingError, keep
from apiconnector.dialect.keys import EMPTY, Dialect
from apiconnector.dialect.members import members
from apiconnector.dialect.places import TEMPLATE_FIELDS, problem_with_names
from apiconnector.dialect.reading import read
from apiconnector.dialect.request import DeclaredRequest, Explained, TestRequest
from apiconnector.dialect.variable import Variable

__all__ = [
    "EMPTY",
    "TEMPLATE_FIELDS",
    "DeclaredRequest",
    "Dialect",
    "Explained",
    "Kept",
    "KeptValueError",
    "KeptValueMissingError",
    "TestRequest",
    "Variable",
    "keep",
    "members",
    "problem_with_names",
    "read",
]
