"""What happens to connections and feeds, for a site's own receivers.

All are sent with ``send_robust``, by the class ``Connection`` or ``FeedRun``.
"""

from django.dispatch import Signal

#: A person authorized a connection, or authorized it again. Arguments: ``connection``, and ``actor``, the user, or
#: None from the command.
connection_authorized = Signal()
#: A connection stopped working until somebody acts, or something of it ends before long. Sent once, after commit.
#: Arguments: ``connection``, and ``reason``, a text for people that holds no secret.
connection_needs_attention = Signal()
#: A connection that needed attention works again, or what was to end does not. Sent once, after commit. Argument:
#: ``connection``.
connection_recovered = Signal()
#: A feed's run has ended: succeeded, failed, dead or skipped. Argument: ``run``, a ``FeedRun``.
feed_run_finished = Signal()
