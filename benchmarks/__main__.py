"""
The command: ``python -m benchmarks [--json] [--quick] [NAMES...]``.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
from rich.console import Console

from benchmarks.peer import start_peers
from benchmarks.registry import BENCHMARKS
from benchmarks.report import PeerReport, Report
from benchmarks.setting import FULL, QUICK, Setting, Sizes
from benchmarks.table import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measurement import Line
    from benchmarks.peer import Peer


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Measure what was asked for and print it.
    """
    options = _parse(arguments)
    terminal = Console(stderr=True)
    peers = start_peers(options.peers_python) if options.peers_python else ()
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    start = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=options.folder) as folder:
            lines = asyncio.run(
                run(options.names or list(BENCHMARKS), QUICK if options.quick else FULL, Path(folder), peers, terminal)
            )
    finally:
        for peer in peers:
            peer.stop()
    report = Report(
        python=platform.python_version(),
        sqlite=apsw.sqlite_lib_version(),
        cores=os.cpu_count() or 1,
        busy=busy,
        is_quick=options.quick,
        seconds=time.perf_counter() - start,
        lines=lines,
        peers=[PeerReport(name=peer.name, python=peer.python, notes=peer.notes) for peer in peers],
    )
    if options.json:
        print(report.model_dump_json(indent=2))
    else:
        _print(report, peers)


async def run(
    names: Sequence[str], sizes: Sizes, folder: Path, peers: Sequence[Peer] = (), terminal: Console | None = None
) -> list[Line]:
    """
    Run benchmarks one after the other, saying on *terminal* what is under way.
    """
    terminal = terminal or Console(quiet=True)
    lines: list[Line] = []
    with terminal.status("") as status:
        setting = Setting(sizes, folder, tuple(peers), say=status.update)
        for name in names:
            status.update(name)
            async for line in BENCHMARKS[name](setting):
                figure = "refused" if math.isinf(line.ours) else f"{line.ours:,.0f} {line.unit}"
                terminal.print(
                    f"{name}: {line.what}: {figure}, {line.floors[0].ratio:.2f} of the floor", soft_wrap=True
                )
                lines.append(line)
                status.update(name)
    return lines


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measures, each figure beside its floor in the same run."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *BENCHMARKS], help=", ".join(BENCHMARKS))
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds, in less than a minute")
    parser.add_argument("--folder", type=Path, help="where to write files: the disk that is measured")
    parser.add_argument("--peers-python", metavar="PYTHON", help="the interpreter of the peers' environment")
    return parser.parse_args(arguments)


def _print(report: Report, peers: Sequence[Peer]) -> None:
    # As wide as the table needs where the output is no terminal.
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(draw(report.lines, peers))
    console.print(
        f"Python {report.python}, SQLite {report.sqlite}, {report.cores} cores, load {report.busy or 0:.1f} at the "
        f"start, {report.seconds:.0f} s{', quick' if report.is_quick else ''}",
        highlight=False,
    )
    for peer in report.peers:
        where = f" (Python {peer.python})" if peer.python else ""
        console.print(f"{peer.name}{where}: {'; '.join(peer.notes)}", highlight=False)


if __name__ == "__main__":
    main()
