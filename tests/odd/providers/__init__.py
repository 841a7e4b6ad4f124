"""Nineteen providers that differ from the standard, each as a fake that insists on its ways."""

from tests.odd.fakes import Fake
from tests.odd.providers.amazon import Amazon
from tests.odd.providers.clover import Clover
from tests.odd.providers.instagram import FlatInstagram, Instagram
from tests.odd.providers.jira import Jira
from tests.odd.providers.mailchimp import Mailchimp, StrictMailchimp
from tests.odd.providers.notion import Notion
from tests.odd.providers.quickbooks import QuickBooks
from tests.odd.providers.reddit import Reddit
from tests.odd.providers.salesforce import Salesforce
from tests.odd.providers.shopify import Shopify
from tests.odd.providers.slack import Slack
from tests.odd.providers.stripe import Stripe
from tests.odd.providers.tiktok import TikTok
from tests.odd.providers.walmart import Walmart
from tests.odd.providers.wechat import WeChat
from tests.odd.providers.x import X
from tests.odd.providers.xero import Xero
from tests.odd.providers.zoho import Zoho
from tests.odd.providers.zoom import RegionalZoom, Zoom

FAKES: tuple[type[Fake], ...] = (
    TikTok, WeChat, Slack, Zoho, QuickBooks, Salesforce, Shopify, Xero, Jira, Mailchimp, Amazon, Instagram, Zoom,
    Walmart, Clover, Stripe, Notion, Reddit, X,
)  # fmt: skip  # in rows
#: The same provider with another answer.
VARIANTS: tuple[type[Fake], ...] = (FlatInstagram, StrictMailchimp, RegionalZoom)
