"""Mails to the site's admins when a connection needs somebody, and when it works again."""
