"""What providers hand over, in the shapes that their documentation shows; the accounts are made up."""

from __future__ import annotations

from typing import Any

UUID = "1324a887-45db-1bf4-1e99-ef0ff456d421"

#: What an administrator enters, by preset and variable.
VARIABLES: dict[str, dict[str, str]] = {
    "gitlab": {"site": "https://git.example.com:8443/gitlab"},
    "microsoft": {"tenant": "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"},
    "quickbooks": {"environment": "sandbox-quickbooks"},
    "salesforce": {"login_url": "https://acme--dev.sandbox.my.salesforce.com"},
    "shopify": {"shop": "ada-shop", "api_version": "2026-07"},
    "wp-oauth-server": {"site": "https://blog.example.com/news"},
    "zoho": {"accounts_url": "https://accounts.zoho.com.cn"},
}

#: The parameters of a callback that values are kept from.
CALLBACKS: dict[str, dict[str, str]] = {
    "quickbooks": {"code": "c", "state": "s", "realmId": "9341453474484455"},
    "shopify": {
        "code": "c",
        "state": "s",
        "shop": "ada-shop.myshopify.com",
        "host": "YWRh",
        "hmac": "0a",
        "timestamp": "1",
    },
    "zoho": {"code": "1000.a.b", "state": "s", "location": "in", "accounts-server": "https://accounts.zoho.in"},
}

#: Token answers that values are kept from.
TOKENS: dict[str, dict[str, Any]] = {
    "pipedrive": {
        "access_token": "a",
        "expires_in": 3599,
        "scope": "base",
        "api_domain": "https://ada-1.pipedrive.com",
    },
    "salesforce": {
        "access_token": "a",
        "scope": "refresh_token api id",
        "instance_url": "https://acme.my.salesforce.com",
        "id": "https://login.salesforce.com/id/00D/005",
    },
    "stripe": {"access_token": "a", "scope": "read_write", "livemode": True, "stripe_user_id": "acct_1aTnTtAAB0hHJ26p"},
    "zoho": {"access_token": "a", "expires_in": 3600, "api_domain": "https://www.zohoapis.in"},
}

#: Answers of the request after authorizing.
AFTER: dict[str, Any] = {
    "jira": [{"id": UUID, "name": "Acme", "url": "https://acme.atlassian.net", "scopes": ["read:jira-user"]}],
    "mailchimp": {"dc": "us6", "role": "owner", "accountname": "Acme", "api_endpoint": "https://us6.api.mailchimp.com"},
    "xero": [{"id": UUID, "tenantId": UUID, "tenantType": "ORGANISATION", "tenantName": "Demo Company (NZ)"}],
}

#: Answers of the test request, with the label and the account's id that are to be found there.
ANSWERS: dict[str, tuple[Any, str, Any]] = {
    "dropbox": (
        {
            "account_id": "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc",
            "name": {"display_name": "Ada L."},
            "email": "ada@example.org",
        },
        "Ada L. (ada@example.org)",
        "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc",
    ),
    "github": ({"login": "ada", "id": 1, "name": None}, "ada", 1),
    "gitlab": ({"id": 1, "username": "ada", "name": "Ada L."}, "Ada L. (ada)", 1),
    "google": ({"sub": "110169", "name": "Ada L.", "email": "ada@example.org"}, "ada@example.org", "110169"),
    "hubspot": (
        {"portalId": 12345678, "timeZone": "US/Eastern", "uiDomain": "app-eu1.hubspot.com"},
        "HubSpot account 12345678",
        12345678,
    ),
    "jira": ({"accountId": "5b10a", "displayName": "Ada L.", "emailAddress": "ada@example.org"}, "Ada L.", "5b10a"),
    "linkedin": ({"sub": "782bbtaQ", "name": "Ada L.", "email": "ada@example.org"}, "Ada L.", "782bbtaQ"),
    "mailchimp": ({"account_id": "1a2b", "login_id": "9z", "account_name": "Acme"}, "Acme", "1a2b"),
    "microsoft": (
        {"displayName": "Ada L.", "userPrincipalName": "ada@example.org", "id": "87d349ed"},
        "Ada L. (ada@example.org)",
        "87d349ed",
    ),
    "notion": (
        {"object": "user", "id": UUID, "name": "Site", "type": "bot", "bot": {"workspace_name": "Acme"}},
        "Acme",
        UUID,
    ),
    "pipedrive": (
        {"success": True, "data": {"id": 777, "name": "Ada L.", "company_id": 1, "company_name": "Acme"}},
        "Ada L. (Acme)",
        1,
    ),
    "quickbooks": (
        {"QueryResponse": {"CompanyInfo": [{"CompanyName": "Acme", "Id": "1"}], "maxResults": 1}},
        "Acme",
        "9341453474484455",
    ),
    "salesforce": (
        {"user_id": "005", "organization_id": "00D", "preferred_username": "ada@example.org", "name": "Ada L."},
        "Ada L. (ada@example.org)",
        "005",
    ),
    "shopify": (
        {
            "data": {
                "shop": {"id": "gid://shopify/Shop/1", "name": "Ada's", "myshopifyDomain": "ada-shop.myshopify.com"}
            }
        },
        "Ada's",
        "gid://shopify/Shop/1",
    ),
    "slack": ({"ok": True, "team": "Acme", "user": "site", "team_id": "T1", "user_id": "U1"}, "Acme (site)", "T1"),
    "stripe": ({"id": "acct_1", "settings": {"dashboard": {"display_name": "Acme"}}}, "Acme", "acct_1"),
    "wp-oauth-server": (
        {"ID": "1", "user_login": "ada", "user_email": "ada@example.org", "display_name": "Ada L."},
        "Ada L.",
        "1",
    ),
    "xero": ({"Organisations": [{"OrganisationID": UUID, "Name": "Demo Company (NZ)"}]}, "Demo Company (NZ)", UUID),
    "zoho": (
        {"users": [{"id": "3652397000000186021", "full_name": "Ada L.", "email": "ada@example.org"}]},
        "Ada L. (ada@example.org)",
        "3652397000000186021",
    ),
    "zoom": ({"id": "zJKy", "account_id": "q6gB", "email": "ada@example.org"}, "ada@example.org", "zJKy"),
}

#: Answers without what an account may lack, with the label that takes its place.
SPARSE_ANSWERS: dict[str, tuple[Any, str]] = {
    "notion": ({"id": UUID, "name": "Site", "bot": {"workspace_name": None}}, "Site"),
    "stripe": ({"id": "acct_1", "settings": {"dashboard": {"display_name": None}}}, "acct_1"),
}
