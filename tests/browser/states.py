"""Fills the site of a demo with a connection in each state and a run of each kind: ``python -m tests.browser.states``.

A process of its own, with the settings of the example site.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import django
from cryptography.fernet import Fernet
from django.test import override_settings
from django.utils import timezone

if TYPE_CHECKING:
    from apiconnector.models import Feed


def fill() -> None:
    """Add what the pictures show. The names are made up, the hosts are those of RFC 2606."""
    from apiconnector.models import AuthorizationAttempt, Connection, Feed, FeedRun, Token, health
    from apiconnector.presets import find

    oauth = {
        "auth_method": "oauth2_authorization_code",
        "client_id": "example-client",
        "client_secret": "example-secret",
        "authorization_url": "https://login.example.com/authorize",
        "token_url": "https://login.example.com/token",
        "scope": "read",
    }

    def connection(name: str, **fields: object) -> Connection:
        slug = name.lower().replace(" ", "-")
        values = {"base_url": f"https://{slug}.example.com/v1", **fields}
        return Connection.objects.create(name=name, slug=slug, **values)

    connection("Weather", auth_method="none")
    newsletter = connection("Newsletter", auth_method="bearer", api_key="example-key")
    connection("Old shop", auth_method="basic", username="shop", password="example", is_active=False)
    connection("Calendar", **oauth)
    files = connection("Files", **oauth)
    Token.objects.create(connection=files, access_token="example-token", scope="read", expires_at=timezone.now())
    health.needs_attention(
        files, health.NEEDS_REAUTHORIZATION, "The provider refused the refresh token. Press Re-authorize."
    )
    payments = connection("Payments", **{**oauth, "auth_method": "oauth2_client_credentials"})
    health.needs_attention(
        payments, health.MISCONFIGURED, "The provider refused the client: check the client id and the client secret."
    )
    copied = connection("Warehouse", **oauth)
    Token.objects.create(
        connection=copied,
        access_token="example-token",
        refresh_token="example-refresh-token",
        scope="read",
        expires_at=timezone.now() + timedelta(hours=1),
        redirect_uri="https://www.example.com/oauth/callback",
        site="https://www.example.com",
    )
    shopify = find("shopify")
    assert shopify is not None
    shop = connection(
        "Shop",
        preset="shopify",
        variables={"shop": "ada-shop"},
        **{**oauth, **shopify.fields, "scope": "read_products,read_orders"},
    )
    Token.objects.create(
        connection=shop,
        access_token="example-token",
        scope="read_products,read_orders",
        account_label="Ada's shop",
        account_id="gid://shopify/Shop/1",
        expires_at=timezone.now() + timedelta(hours=1),
    )
    AuthorizationAttempt.objects.create(
        connection=shop,
        state="example-state",
        nonce="example-nonce",
        redirect_uri="https://www.example.com/oauth/callback",
        used_at=timezone.now(),
        outcome=AuthorizationAttempt.Outcome.HELD,
        held={
            "access_token": "example-token-2",
            "refresh_token": "",
            "expires_at": None,
            "refresh_expires_at": None,
            "scope": "read_products,read_orders",
            "values": {},
            "hosts": [],
            "account_id": "gid://shopify/Shop/2",
            "account_label": "Grace's shop",
        },
        held_label="Grace's shop",
    )
    with override_settings(APICONNECTOR_KEYS=[Fernet.generate_key().decode()]):
        connection("Archive", auth_method="api_key", api_key="example-key")
    moved = connection("Support desk", auth_method="bearer", api_key="example-key")
    moved = Connection.objects.get(pk=moved.pk)
    moved.base_url = "https://elsewhere.example.org/v1"
    moved.save()

    feed = Feed.objects.create(
        name="Newsletter subscription",
        slug="newsletter-subscription",
        connection=newsletter,
        trigger="newsletter",
        method="POST",
        path="subscribers",
        body_format="json",
        body={"email": "{{ email }}"},
    )
    now = timezone.now()
    _refused(feed)
    error = "The API refused the connection."
    ends: list[dict[str, object]] = [
        {"status": "failed", "outcome": "sent", "status_code": 422, "error_message": "The API answered 422."},
        {"status": "failed", "outcome": "unknown", "error_message": "The connection broke off after the request."},
        {"status": "dead", "outcome": "not_sent", "attempt_count": 14, "error_message": error},
        {"status": "skipped", "outcome": "not_sent"},
        {
            "status": "pending",
            "outcome": "not_sent",
            "attempt_count": 3,
            "next_attempt_at": now + timedelta(hours=1),
            "error_message": error,
        },
    ]
    for end in ends:
        FeedRun.objects.create(
            **{
                "feed": feed,
                "connection": newsletter,
                "input": {"email": "ada@example.org"},
                "attempt_count": 1,
                "duration_ms": 184,
                "started_at": now,
                **end,
            }
        )


def _refused(feed: Feed) -> None:
    """A run that the API put off at first, and then refused, with one that waited for it."""
    from apiconnector.models import FeedRun

    first = timezone.now() - timedelta(minutes=3)
    request = {
        "method": "POST",
        "url": "https://newsletter.example.com/v1/subscribers",
        "headers": {"Accept": "*/*", "Content-Type": "application/json", "Authorization": "[redacted]"},
        "body": '{"email": "ada@example", "list": "monthly", "consent": true}',
    }

    def answered(number: int, status_code: int, reason: str, headers: dict[str, str], body: str) -> dict[str, object]:
        return {
            "at": (first + timedelta(seconds=number * 62)).isoformat(),
            "request": request,
            "response": {
                "status_code": status_code,
                "reason": reason,
                "headers": {"Content-Type": "application/json", **headers},
                "body": body,
            },
            "status_code": status_code,
            "duration_ms": 204 - 20 * number,
            "error": "http_status",
            "message": f"The API answered {status_code}.",
            "token": "",
        }

    problem = {"field": "email", "message": "is not an address"}
    attempts = [
        answered(0, 503, "Service Unavailable", {"Retry-After": "60"}, '{"error": "down for maintenance"}'),
        answered(1, 422, "Unprocessable Content", {"X-Request-Id": "r-5521"}, json.dumps({"errors": [problem]})),
    ]
    run = FeedRun.objects.create(
        feed=feed,
        connection=feed.connection,
        input={"email": "ada@example", "newsletter": True},
        status=FeedRun.Status.FAILED,
        outcome=FeedRun.Outcome.SENT,
        attempts=attempts,
        attempt_count=2,
        status_code=422,
        duration_ms=184,
        data={"errors": [problem]},
        error="http_status",
        error_message="The API answered 422.",
        created_at=first,
        started_at=first,
        finished_at=first + timedelta(seconds=63),
    )
    FeedRun.objects.create(
        feed=feed,
        connection=feed.connection,
        input=run.input,
        status=FeedRun.Status.FAILED,
        outcome=FeedRun.Outcome.NOT_SENT,
        waits_for=run,
        error="after",
        error_message=f"Run #{run.pk}, which this one waits for, has failed.",
        created_at=first,
        finished_at=run.finished_at,
    )


if __name__ == "__main__":
    django.setup()
    fill()
