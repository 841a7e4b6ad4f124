"""A small CRM with an API that OAuth 2.0 protects: the provider that the example site talks to."""
