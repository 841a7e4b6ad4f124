"""Feeds: what is sent, when, and what is kept of it."""
