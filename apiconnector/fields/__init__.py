"""Model fields: encrypted text, encrypted JSON, and JSON that comes back byte for byte."""

from apiconnector.fields.encrypted import REMOVE, EncryptedField, EncryptedJSONField, EncryptedTextField
from apiconnector.fields.json_text import JSONTextField

__all__ = ["REMOVE", "EncryptedField", "EncryptedJSONField", "EncryptedTextField", "JSONTextField"]
