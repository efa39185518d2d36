"""
What a run found, as JSON.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from benchmarks.measurement import Line


class PeerReport(BaseModel):
    """
    Which peer was measured, or why not.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    python: str
    notes: list[str]


class Report(BaseModel):
    """
    A whole run.

    Attributes:
        is_quick: Whether the sizes were the small ones.

        busy: What others made of the machine: its load average when the run began, if it tells.
    """

    model_config = ConfigDict(frozen=True)

    python: str
    sqlite: str
    cores: int
    busy: float | None
    is_quick: bool
    seconds: float
    lines: list[Line]
    peers: list[PeerReport]
