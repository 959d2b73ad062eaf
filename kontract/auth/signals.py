"""What happens to accounts, for those who want to know.

Each is sent with ``principal`` (a ``kontract.auth.models.Principal``) and ``request`` (or None), after the commit where
something is written.
"""

from django.dispatch import Signal

created = Signal()  # an anonymous principal, or one with an account
logged_in = Signal()  # with ``sid``
logged_out = Signal()  # with ``sids``, a list
linked = Signal()  # an anonymous principal has got an account
merged = Signal()  # ``principal`` has got everything of ``source``; with ``txid``
unmerged = Signal()  # ``source`` has got everything back
password_changed = Signal()
token_reused = Signal()  # an old refresh token was used again, and its session has been ended; with ``principal_id``
