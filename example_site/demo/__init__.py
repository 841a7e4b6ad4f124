"""``manage.py demo``: sets the example up, starts it, and can do the whole job itself."""
