"""Model fields: encrypted text, encrypted JSON, JSON that comes back byte for byte, and keys."""

from apiconnector.fields.encrypted import REMOVE, EncryptedField, EncryptedJSONField, EncryptedTextField
from apiconnector.fields.exact import ExactCharField
from apiconnector.fields.json_text import JSONTextField

__all__ = ["REMOVE", "EncryptedField", "EncryptedJSONField", "EncryptedTextField", "ExactCharField", "JSONTextField"]
