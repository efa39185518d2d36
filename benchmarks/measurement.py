"""
Measuring: contenders take turns, so that whatever else the machine does strikes all of them.
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Annotated

import attrs
from pydantic import BaseModel, ConfigDict, PlainSerializer

# One turn of a contender: does its work and returns the figure, in the line's unit; infinity if that was refused.
Turn = Callable[[], Awaitable[float]]

# Four digits say more than one run can know.
Rounded = Annotated[float, PlainSerializer(lambda number: float(f"{number:.4g}"), when_used="json")]


class Unit(Enum):
    """
    What a figure counts.
    """

    COMMITS_PER_S = "commits/s"
    EVENTS_PER_S = "events/s"
    DELIVERIES_PER_S = "deliveries/s"
    ENTRIES_PER_S = "entries/s"
    LEAVES_PER_S = "leaves/s"
    PROOFS_PER_S = "proofs/s"
    MICROSECONDS = "µs"
    MILLISECONDS = "ms"
    MEBIBYTES = "MiB"

    @property
    def more_is_better(self) -> bool:
        """
        Whether the larger figure wins.
        """
        return self.value.endswith("/s")


@attrs.frozen
class Aim:
    """
    What a line should reach: a ratio to the floor, a figure of its own, or so much over the floor at most.
    """

    ratio: float | None = None
    figure: float | None = None
    over: float | None = None


class Standard(BaseModel):
    """
    Something our figure is held against.

    Attributes:
        name: What it does.

        figure: Its median.

        ratio: How much of it we reach, the median over the pairs measured in turn. 1 is as good,
            more is better, whichever way the unit counts.

        ratio_low, ratio_high: Half of the pairs lie between these; far apart, the machine was busy.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    figure: Rounded
    ratio: Rounded
    ratio_low: Rounded
    ratio_high: Rounded


class Line(BaseModel):
    """
    One line of the table.

    Attributes:
        benchmark: The module it comes from.

        what: What was measured, with its size.

        ours: Our median; infinity where the work was refused, which is null as JSON.

        floors: The floor, and others that explain the way up from it.

        peers: Other frameworks by name.

        aim: What we want, in words; None where the figure is for information.

        is_met: Whether the aim is reached; None without one.
    """

    model_config = ConfigDict(frozen=True)

    benchmark: str
    what: str
    unit: str
    ours: Rounded
    floors: list[Standard]
    peers: dict[str, Rounded]
    aim: str | None
    is_met: bool | None


async def compare(
    benchmark: str,
    what: str,
    unit: Unit,
    *,
    rounds: int,
    ours: Turn,
    floors: Mapping[str, Turn],
    peers: Mapping[str, Turn] | None = None,
    aim: Aim | None = None,
    warm_up: int = 1,
) -> Line:
    """
    Let all take turns, there and back, *rounds* times.

    Many short turns are better than a few long ones: what disturbs a pair disturbs both.

    Args:
        floors: The floor first.

        warm_up: Turns of each beforehand that do not count.
    """
    peers = peers or {}
    turns: list[Turn] = [ours, *floors.values(), *peers.values()]
    for turn in turns:
        for _ in range(warm_up):
            await turn()
    figures: list[list[float]] = [[] for _ in turns]
    gc.collect()
    for number in range(rounds):
        order = list(zip(turns, figures, strict=True))
        for turn, taken in order if number % 2 == 0 else reversed(order):
            taken.append(await turn())
    own, others = figures[0], figures[1:]
    standards = [_hold_against(own, name, taken, unit) for name, taken in zip(floors, others, strict=False)]
    median = statistics.median(own)
    return Line(
        benchmark=benchmark,
        what=what,
        unit=unit.value,
        ours=median,
        floors=standards,
        peers=_medians(peers, others[len(floors) :]),
        aim=_describe(aim, unit) if aim else None,
        is_met=_is_met(aim, median, standards, unit) if aim else None,
    )


def _medians(peers: Mapping[str, Turn], figures: list[list[float]]) -> dict[str, float]:
    # A peer that failed has no numbers.
    return {
        name: statistics.median(taken)
        for name, taken in zip(peers, figures, strict=True)
        if not any(map(math.isnan, taken))
    }


def _hold_against(own: list[float], name: str, other: list[float], unit: Unit) -> Standard:
    pairs = zip(own, other, strict=True)
    ratios = [mine / theirs if unit.more_is_better else theirs / mine for mine, theirs in pairs]
    low, middle, high = statistics.quantiles(ratios, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Standard(name=name, figure=statistics.median(other), ratio=middle, ratio_low=low, ratio_high=high)


def _describe(aim: Aim, unit: Unit) -> str:
    if aim.ratio is not None:
        return f"≥ {aim.ratio:.2f} of the floor"
    if aim.over is not None:
        return f"≤ {aim.over:,.0f} {unit.value} over the floor"
    return f"{'≥' if unit.more_is_better else '≤'} {aim.figure:,.0f} {unit.value}"


def _is_met(aim: Aim, own: float, standards: list[Standard], unit: Unit) -> bool:
    if aim.ratio is not None:
        return standards[0].ratio >= aim.ratio
    if aim.over is not None:
        return own - standards[0].figure <= aim.over
    if aim.figure is None:
        return True
    return own >= aim.figure if unit.more_is_better else own <= aim.figure
