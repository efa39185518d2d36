"""
`eventsource process`: real stores, real modules, and real processes where signals count.
"""

import asyncio
import json
import shutil
import signal
from pathlib import Path

import pytest

from eventsource import NewEvent, connect
from tests.cli.shop import PATIENCE_S, Command, Result, Shop, wait_until

PARCELS = "parcel_processes:Parcels"
DISPATCHER = ("--dispatcher", "parcel_processes:make_dispatcher")


@pytest.fixture(autouse=True)
def parcels(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The process managers are where commands are run.
    """
    shutil.copy(Path(__file__).with_name("parcel_processes.py"), shop.directory)
    monkeypatch.delenv("PARCELS_STRONG", raising=False)


def posted(parcel: str) -> NewEvent:
    """
    Somebody brings a parcel.
    """
    return NewEvent(subject="/desk", type="io.example.parcels.cli-posted", data={"parcel": parcel})


def carried(shop: Shop) -> list[str]:
    """
    The subjects of the parcels that were carried, in order.
    """

    async def read() -> list[str]:
        async with connect(shop.store, read_only=True) as store:
            return [event.subject async for event in store.stream("/parcels")]

    return sorted(asyncio.run(read()))


def rows(result: Result) -> list[dict[str, object]]:
    """
    What a command printed as JSON.
    """
    found: list[dict[str, object]] = json.loads(result.output)
    return found


def test_once_does_all_there_is_and_ends(shop: Shop, command: Command) -> None:
    """
    With --once everything is answered and carried out, then it ends with 0; a second run has nothing to do.
    """
    shop.commit([posted("a"), posted("b")])

    first = command("process", "run", "--once", "--json", PARCELS, *DISPATCHER)
    second = command("process", "run", "--once", "--json", PARCELS, "--dispatcher", f"{DISPATCHER[1]}_later")

    assert (first.exit_code, second.exit_code) == (0, 0)
    states = [json.loads(line)["state"] for line in first.output.splitlines()]
    assert states == ["started", "caught_up", "stopped"]
    assert carried(shop) == ["/parcels/a", "/parcels/b"]


def test_status_counts_processes(shop: Shop, command: Command) -> None:
    """
    As a table, and as JSON; before anything has happened, too.
    """
    assert command("process", "status", PARCELS).output.splitlines()[1].split()[:2] == ["parcels", "0"]
    shop.commit([posted("a"), posted("heavy")])
    command("process", "run", "--once", PARCELS, *DISPATCHER)

    (counts,) = rows(command("process", "status", "--json", PARCELS))

    due = counts.pop("next_due")
    assert isinstance(due, str)
    assert due > "3000"
    assert counts == {
        "process": "parcels",
        "running": 1,
        "completed": 0,
        "parked": 1,
        "unsent": 0,
        "timers": 1,
        "held": 1,
    }


def test_parked_process_is_listed_and_let_go_on(shop: Shop, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It is told where it failed; let go on with code that can, it ends well.
    """
    assert command("process", "parked", PARCELS).output == "no process is parked\n"
    (recorded,) = shop.commit([posted("heavy")])
    command("process", "run", "--once", PARCELS, *DISPATCHER)
    (listed,) = rows(command("process", "parked", "--json", PARCELS))
    assert str(listed.pop("place")).endswith("in Parcels.posted")
    assert listed == {
        "process": "parcels",
        "id": "heavy",
        "stage": "reaction",
        "error": "RuntimeError",
        "cause": recorded.id,
        "cause_type": "io.example.parcels.cli-posted",
        "held": 1,
    }
    assert "heavy" in command("process", "parked", PARCELS).output

    monkeypatch.setenv("PARCELS_STRONG", "1")
    retried = command("process", "retry", PARCELS, "heavy", "--json")
    command("process", "run", "--once", PARCELS, *DISPATCHER)

    assert json.loads(retried.output) == {"process": "parcels", "id": "heavy"}
    assert carried(shop) == ["/parcels/heavy"]
    assert rows(command("process", "parked", "--json", PARCELS)) == []


def test_a_run_to_the_end_with_parked_processes_is_no_success(shop: Shop, command: Command) -> None:
    """
    While a process is parked ``run --once`` ends with 1 and names it, also when that happened in an earlier run.
    """
    shop.commit([posted("heavy"), posted("a")])

    first = command("process", "run", "--once", PARCELS, *DISPATCHER)
    second = command("process", "run", "--once", "--json", PARCELS, *DISPATCHER)

    assert (first.exit_code, second.exit_code) == (1, 1)
    assert "processes are parked and wait for you: 1 of parcels" in first.errors
    assert json.loads(second.errors)["error"]["code"] == "processes-parked"
    assert carried(shop) == ["/parcels/a"]


def test_all_that_are_parked_can_be_let_go_on(shop: Shop, command: Command) -> None:
    """
    And they are parked again if nothing has changed.
    """
    shop.commit([posted("heavy"), posted("a")])
    command("process", "run", "--once", PARCELS, *DISPATCHER)

    result = command("process", "retry", PARCELS, "--all")
    command("process", "run", "--once", PARCELS, *DISPATCHER)

    assert result.output == "parcels/heavy goes on\n"
    assert len(rows(command("process", "parked", "--json", PARCELS))) == 1


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (["retry", PARCELS, "a"], 2, "process-not-parked"),
        (["retry", PARCELS, "z"], 2, "process-not-found"),
        (["retry", PARCELS], 2, "usage"),
        (["retry", PARCELS, "a", "--all"], 2, "usage"),
        (["status", "parcel_processes:Nobody"], 2, "process-not-loaded"),
        (["status", "parcel_processes:Unfinished"], 2, "process-not-loaded"),
        (["status", "parcel_processes"], 2, "process-not-loaded"),
        (["status", PARCELS, PARCELS], 2, "process-not-loaded"),
        (["run", PARCELS, "--dispatcher", "parcel_processes:Carry"], 2, "process-not-loaded"),
        (["run", PARCELS, "--dispatcher", "parcel_processes:make_nothing"], 2, "process-not-loaded"),
        (["run", PARCELS, "--dispatcher", "parcel_processes:make_mistake"], 2, "process-not-loaded"),
        (["run", PARCELS, "--dispatcher", "parcel_processes:make_idle"], 2, "command-not-handled"),
    ],
)
def test_what_cannot_be_done_is_told(
    shop: Shop, command: Command, arguments: list[str], exit_code: int, code: str
) -> None:
    """
    With a code for programs, and the exit code for shells.
    """
    shop.commit([posted("a")])
    command("process", "run", "--once", PARCELS, *DISPATCHER)

    result = command("process", *arguments, "--json")

    assert result.exit_code == exit_code
    assert json.loads(result.errors.splitlines()[-1])["error"]["code"] == code


def test_process_manager_that_fails_is_told_and_the_others_go_on(shop: Shop, command: Command) -> None:
    """
    The command ends with 1, and says at which event.
    """
    (recorded,) = shop.commit([posted("a")])

    result = command("process", "run", "--once", "--json", "parcel_processes:Lost", PARCELS, *DISPATCHER)

    assert result.exit_code == 1
    changes = [json.loads(line) for line in result.output.splitlines()]
    (failed,) = [change for change in changes if change["state"] == "failed"]
    assert failed["process"] == "lost"
    assert failed["error"]["code"] == "process-manager-failed"
    assert failed["error"]["event_id"] == recorded.id
    assert carried(shop) == ["/parcels/a"]


def test_signal_ends_it_cleanly(shop: Shop) -> None:
    """
    SIGTERM ends a following worker with exit code 0, without a traceback.
    """
    shop.commit([posted("a")])
    worker = shop.start("process", "run", PARCELS, *DISPATCHER)
    wait_until(lambda: carried(shop) == ["/parcels/a"])

    worker.send_signal(signal.SIGTERM)
    _, errors = worker.communicate(timeout=PATIENCE_S)

    assert worker.returncode == 0
    assert "event=process.stopped process_manager=parcels" in errors.splitlines()[-1]
    assert "Traceback" not in errors
