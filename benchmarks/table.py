"""
The table that a person reads.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measurement import Line, Standard
    from benchmarks.peer import Peer


def draw(lines: Sequence[Line], peers: Sequence[Peer]) -> Table:
    """
    One row for each line, below it what else it is held against; beside each ratio the middle half of the pairs.
    """
    table = Table(title="ratio: 1 is as good as the floor, more is better, of latencies too; beside it the middle half")
    table.add_column("what")
    table.add_column("ours", justify="right")
    table.add_column("floor", justify="right")
    table.add_column("ratio", justify="right")
    table.add_column("floor is")
    table.add_column("aim")
    named = [peer.name for peer in peers if peer.benchmarks]
    for name in named:
        table.add_column(name, justify="right")
    last = ""
    for line in lines:
        if last and line.benchmark != last:
            table.add_section()
        last = line.benchmark
        first, *others = line.floors
        table.add_row(
            f"{line.benchmark}: {line.what}",
            _bold(line),
            _print(first.figure),
            _ratio(first),
            first.name,
            _aim(line),
            *(_print(line.peers[name]) if name in line.peers else "" for name in named),
        )
        for other in others:
            table.add_row("", "", _print(other.figure), _ratio(other), other.name, style="dim")
    return table


def _bold(line: Line) -> str:
    return "[bold]refused[/]" if math.isinf(line.ours) else f"[bold]{_print(line.ours)}[/] {line.unit}"


def _aim(line: Line) -> str:
    if line.aim is None:
        return ""
    return f"[green]✓[/] {line.aim}" if line.is_met else f"[red]✗[/] {line.aim}"


def _ratio(standard: Standard) -> str:
    return f"{standard.ratio:.2f} [dim]{standard.ratio_low:.2f}-{standard.ratio_high:.2f}[/]"


def _print(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:,.1f}"
