"""
Errors of the client alone: its settings, its event loop, answers that are too large.
"""

from __future__ import annotations

from eventsource.root_error import StoreError


class WrongEventLoopError(StoreError, RuntimeError):
    """
    Something is used in another event loop or process than the one it belongs to. Nothing was sent.

    Attributes:
        name: What it was to reach.

        kind: What is another one: "event loop" or "process".
    """

    code = "wrong-event-loop"

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(
            f"what reaches {name} was first used in another {kind}, and its connections cannot leave that: make one "
            f"for each {kind}; a client without an httpx.AsyncClient of yours has connections of its own in each"
        )
        self.name = name
        self.kind = kind


class ClientSettingError(StoreError, ValueError):
    """
    A client cannot be made: one of its settings is missing or cannot be used.

    Attributes:
        setting: Which one, such as "auth_token".

        reason: The fault, in words; a token is not shown.
    """

    code = "client-setting"

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"{setting}: {reason}")
        self.setting = setting
        self.reason = reason


class AnswerTooLargeError(StoreError):
    """
    A server's answer is larger than what is accepted.

    Attributes:
        limit_bytes: The largest that is.
    """

    code = "answer-too-large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the answer is larger than {limit_bytes} bytes: ask for less, or allow more")
        self.limit_bytes = limit_bytes
