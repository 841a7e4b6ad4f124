"""Apps of their own, for sites that want them: each is one line in ``INSTALLED_APPS``."""
