"""Hand over what a site's forms and models brought to the feeds of a trigger.

``FeedFormMixin`` is for class-based views, ``submits_to`` for function views, ``submits_model`` for models. All keep
the visitor out of it: data that no feed can keep is logged as an error, and what the visitor did goes on.
``feed_choices`` gives a form field the choices that an API knows.
"""

from apiconnector.forms.choices import feed_choices
from apiconnector.forms.receivers import submits_model
from apiconnector.forms.views import FeedFormMixin, FeedRequest, submits_to

__all__ = ["FeedFormMixin", "FeedRequest", "feed_choices", "submits_model", "submits_to"]
