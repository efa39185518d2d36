"""
What a notary tells of itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from eventsource.notary.ledger import Head

State = Literal["starting", "catching up", "live", "waiting for the ledger", "failed", "stopped"]


@attrs.frozen
class NotaryStatus:
    """
    How far a notary is.

    Attributes:
        state: What it is doing; "failed" is for good.

        events: The number of events that are notarised.

        behind: How many that it knows of are not yet.

        lag_s: How old the oldest of these is that it has read, in seconds; 0.0 when there is none.

        last_event_id: The last event that is notarised; None for none.

        head: The head of the ledger behind the last batch; None before the first answer.

        obstacle: What keeps it from going on, or from publishing its heads, in words; None when nothing does.

        error: Why it failed.
    """

    state: State
    events: int
    behind: int
    lag_s: float
    last_event_id: str | None
    head: Head | None
    obstacle: str | None = None
    error: Exception | None = None
