"""Management commands of the CRM."""
