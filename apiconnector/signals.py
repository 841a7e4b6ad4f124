"""What happens to connections and feeds, for a site's own receivers. All are sent with ``send_robust``."""

from django.dispatch import Signal

#: A person authorized a connection, or authorized it again. Arguments: ``connection``, ``actor`` (or None).
connection_authorized = Signal()
#: A connection stopped working until somebody acts. Arguments: ``connection``, ``reason``.
connection_needs_attention = Signal()
#: A connection that needed attention works again. Argument: ``connection``.
connection_recovered = Signal()
#: A feed's run has ended. Argument: ``run``.
feed_run_finished = Signal()
