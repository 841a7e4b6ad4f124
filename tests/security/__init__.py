"""What RFC 9700 and OAuth 2.1 ask of a client, by attack; docs/security.md lists them with their tests."""
