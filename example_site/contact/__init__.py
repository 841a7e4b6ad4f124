"""A contact form."""
