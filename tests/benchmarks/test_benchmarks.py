"""
The benchmarks run and report what they promise; how fast anything is, is not for tests.
"""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from benchmarks.__main__ import main, run
from benchmarks.measurement import Aim, Unit, compare
from benchmarks.peer import Peer
from benchmarks.registry import BENCHMARKS
from benchmarks.setting import Sizes
from benchmarks.table import draw

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from benchmarks.measurement import Turn

TINY = Sizes(
    rounds=1,
    long_rounds=1,
    aggregates=(20,),
    small=50,
    medium=100,
    large=300,
    observers=5,
    observed_s=0.3,
    turn=0.02,
)


@pytest.mark.parametrize("name", BENCHMARKS)
async def test_each_benchmark_gives_figures_beside_floors(name: str, tmp_path: Path) -> None:
    """
    Whatever is measured has a figure of ours, at least one floor, and its ratio.
    """
    lines = await run([name], TINY, tmp_path)

    assert lines
    for line in lines:
        assert line.benchmark == name
        assert line.ours > 0
        assert all(floor.figure > 0 and floor.ratio_high >= floor.ratio >= floor.ratio_low > 0 for floor in line.floors)
        assert line.floors
        assert (line.aim is None) == (line.is_met is None)


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    """
    `--json` prints one object with the machine, the lines and the peers.
    """
    main(["--quick", "--json", "load"])

    report = json.loads(capsys.readouterr().out)
    assert report.keys() == {"python", "sqlite", "cores", "busy", "is_quick", "seconds", "lines", "peers"}
    assert report["is_quick"] is True
    assert [line["benchmark"] for line in report["lines"]] == ["load"]
    assert report["lines"][0].keys() == {"benchmark", "what", "unit", "ours", "floors", "peers", "aim", "is_met"}
    assert report["lines"][0]["floors"][0].keys() == {"name", "figure", "ratio", "ratio_low", "ratio_high"}


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Without `--json` there is a table, with our figure beside the floor's name.
    """
    main(["--quick", "load"])

    table = capsys.readouterr().out
    assert "load: aggregate of 10 events" in table
    assert "apsw, pydantic, method" in table


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A name that is no benchmark ends the command with those that are.
    """
    with pytest.raises(SystemExit):
        main(["speed"])

    assert "commits" in capsys.readouterr().err


async def test_contenders_take_turns_there_and_back() -> None:
    """
    The order is turned round after each round, so a slow drift of the machine strikes all alike.
    """
    order: list[str] = []

    def named(name: str) -> Turn:
        async def turn() -> float:
            order.append(name)
            return 1.0

        return turn

    await compare("x", "y", Unit.EVENTS_PER_S, rounds=2, ours=named("ours"), floors={"floor": named("floor")})

    assert order == ["ours", "floor", "ours", "floor", "floor", "ours"]


@pytest.mark.parametrize(
    ("unit", "ratio"), [(Unit.EVENTS_PER_S, 0.5), (Unit.MICROSECONDS, 2.0)], ids=["a rate", "a latency"]
)
async def test_a_ratio_above_one_is_better_than_the_floor(unit: Unit, ratio: float) -> None:
    """
    Fewer events a second are worse than the floor, fewer microseconds better.
    """
    line = await compare(
        "x", "y", unit, rounds=3, warm_up=0, ours=_giving([5, 6, 7]), floors={"floor": _giving([10, 12, 14])}
    )

    assert line.ours == 6
    assert line.floors[0].figure == 12
    assert line.floors[0].ratio == ratio


async def test_the_ratio_is_taken_pair_by_pair() -> None:
    """
    What slows both down in one round does not change the ratio.
    """
    line = await compare(
        "x",
        "y",
        Unit.EVENTS_PER_S,
        rounds=3,
        warm_up=0,
        ours=_giving([8, 80, 1]),
        floors={"floor": _giving([10, 100, 9])},
    )

    assert line.floors[0].ratio == 0.8


async def test_what_is_refused_has_no_figure() -> None:
    """
    Work that is refused takes for ever: the table says so, JSON has null, and no aim is reached.
    """
    line = await compare(
        "x",
        "y",
        Unit.MICROSECONDS,
        rounds=3,
        warm_up=0,
        ours=_giving([math.inf, 5, math.inf]),
        floors={"floor": _giving([10, 10, 10])},
        aim=Aim(figure=100),
    )
    console = Console(width=200)
    with console.capture() as table:
        console.print(draw([line], []))

    assert line.is_met is False
    assert line.floors[0].ratio == 0
    assert json.loads(line.model_dump_json())["ours"] is None
    assert "refused" in table.get()


@pytest.mark.parametrize(
    ("aim", "is_met"),
    [(Aim(ratio=0.4), True), (Aim(ratio=0.6), False), (Aim(figure=5), True), (Aim(figure=6), False)],
    ids=str,
)
async def test_an_aim_is_met_or_not(aim: Aim, is_met: bool) -> None:  # noqa: FBT001  a parameter of the test
    """
    An aim is a ratio to the floor or a figure of its own.
    """
    line = await compare(
        "x", "y", Unit.EVENTS_PER_S, rounds=1, warm_up=0, ours=_giving([5]), floors={"floor": _giving([10])}, aim=aim
    )

    assert line.is_met is is_met


@pytest.mark.parametrize(("over", "is_met"), [(2, True), (1, False)], ids=["enough", "too little"])
async def test_an_aim_may_allow_so_much_over_the_floor(over: float, is_met: bool) -> None:  # noqa: FBT001  likewise
    """
    What is added to a floor is held against a figure, whatever the floor is.
    """
    aim = Aim(over=over)

    line = await compare(
        "x", "y", Unit.MICROSECONDS, rounds=1, warm_up=0, ours=_giving([12]), floors={"floor": _giving([10])}, aim=aim
    )

    assert line.is_met is is_met
    assert line.aim == f"≤ {over} µs over the floor"


async def test_a_peer_that_fails_has_no_figure() -> None:
    """
    The others are measured all the same.
    """
    line = await compare(
        "x",
        "y",
        Unit.EVENTS_PER_S,
        rounds=1,
        warm_up=0,
        ours=_giving([5]),
        floors={"floor": _giving([10])},
        peers={"broken": _giving([math.nan]), "sound": _giving([3])},
    )

    assert line.peers == {"sound": 3}


@pytest.mark.parametrize("distribution", ["eventsourcing", "eventsource-py"])
def test_a_peer_that_is_not_installed_is_noted(distribution: str) -> None:
    """
    An environment without the peer is no error: the reason is noted for the table.
    """
    peer = Peer.start(sys.executable, distribution)

    assert not peer.can("commits")
    assert peer.notes[0].startswith("not measured: ")


def test_a_peer_without_an_interpreter_is_noted(tmp_path: Path) -> None:
    """
    So is an environment that is not there at all.
    """
    peer = Peer.start(str(tmp_path / "python"), "eventsourcing")

    assert not peer.can("commits")
    assert peer.notes[0].startswith("not measured: ")


def _giving(figures: Iterable[float]) -> Turn:
    remaining = iter(figures)

    async def turn() -> float:
        return next(remaining)

    return turn
