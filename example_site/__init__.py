"""A small site that uses apiconnector, and a small CRM to talk to."""
