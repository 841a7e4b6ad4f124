"""Leads, and a record of the token requests."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Lead(models.Model):
    """Somebody who wrote to a site that is connected to this CRM."""

    name = models.CharField(max_length=100)
    email = models.EmailField()
    message = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Lead]] = models.Manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name


class TokenRequest(models.Model):
    """A request to the token endpoint: shows that tokens are renewed once, and not more often."""

    grant_type = models.CharField(max_length=50)
    status_code = models.PositiveSmallIntegerField()
    at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[TokenRequest]] = models.Manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.grant_type}: {self.status_code}"
