"""
Checkpoints: moved only from where they were left, within somebody's transaction.
"""

from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from eventsource.subscriptions import Checkpoint
from eventsource.subscriptions.checkpoint import (
    START,
    create_checkpoint_table,
    forget_checkpoint,
    load_checkpoint,
    move_checkpoint,
)

ONE = Checkpoint(event_id="e-1", event_hash="1" * 64, position=1, events=1)
TWO = Checkpoint(event_id="e-5", event_hash="5" * 64, position=7, events=2)
THREE = Checkpoint(event_id="e-8", event_hash="8" * 64, position=8, events=3)


@pytest.fixture
def tx(tmp_path: Path) -> Generator[Connection]:
    """
    A transaction on a database with the table of checkpoints.
    """
    engine = create_engine(f"sqlite:///{tmp_path / 'read.db'}")
    with engine.begin() as connection:
        create_checkpoint_table(connection)
        yield connection
    engine.dispose()


def test_checkpoint_comes_back_as_it_was_moved(tx: Connection) -> None:
    """
    Event, hash, position and count are stored, first and later.
    """
    assert move_checkpoint(tx, "balances", before=None, to=ONE)
    assert load_checkpoint(tx, "balances") == ONE

    assert move_checkpoint(tx, "balances", before=ONE, to=TWO)
    assert load_checkpoint(tx, "balances") == TWO


def test_there_is_none_before_the_first(tx: Connection) -> None:
    """
    A listener that has not stored any has none.
    """
    assert load_checkpoint(tx, "balances") is None


def test_there_is_none_without_the_table(tmp_path: Path) -> None:
    """
    A database nobody has prepared has no checkpoints.
    """
    engine = create_engine(f"sqlite:///{tmp_path / 'other.db'}")

    with engine.begin() as tx:
        assert load_checkpoint(tx, "balances") is None

    engine.dispose()


def test_listeners_do_not_know_each_other(tx: Connection) -> None:
    """
    Each has a checkpoint of its own.
    """
    move_checkpoint(tx, "balances", before=None, to=ONE)
    move_checkpoint(tx, "statements", before=None, to=TWO)

    assert load_checkpoint(tx, "balances") == ONE
    assert load_checkpoint(tx, "statements") == TWO


def test_checkpoint_somebody_else_moved_stays_where_it_is(tx: Connection) -> None:
    """
    Who does not know where it stands now cannot move it.
    """
    move_checkpoint(tx, "balances", before=None, to=ONE)
    move_checkpoint(tx, "balances", before=ONE, to=TWO)

    assert not move_checkpoint(tx, "balances", before=ONE, to=THREE)

    assert load_checkpoint(tx, "balances") == TWO


@pytest.mark.parametrize(
    "stale",
    [
        Checkpoint(event_id="e-other", event_hash="5" * 64, position=7, events=2),
        Checkpoint(event_id="e-5", event_hash="5" * 64, position=6, events=2),
        START,
    ],
    ids=["other event", "other position", "start"],
)
def test_event_and_position_both_count(tx: Connection, stale: Checkpoint) -> None:
    """
    A checkpoint that agrees in one of the two only is another one.
    """
    move_checkpoint(tx, "balances", before=None, to=TWO)

    assert not move_checkpoint(tx, "balances", before=stale, to=THREE)


def test_first_checkpoint_is_stored_once(tmp_path: Path) -> None:
    """
    Of two that both start from nothing, the second is told so.
    """
    engine = create_engine(f"sqlite:///{tmp_path / 'read.db'}")
    with engine.begin() as tx:
        create_checkpoint_table(tx)
        move_checkpoint(tx, "balances", before=None, to=ONE)

    with engine.connect() as tx:
        assert not move_checkpoint(tx, "balances", before=None, to=TWO)
        tx.rollback()
        assert load_checkpoint(tx, "balances") == ONE

    engine.dispose()


def test_forgotten_checkpoint_cannot_be_moved(tx: Connection) -> None:
    """
    Who still remembers it is told that it is gone; a new first one can be stored.
    """
    move_checkpoint(tx, "balances", before=None, to=ONE)
    forget_checkpoint(tx, "balances")

    assert load_checkpoint(tx, "balances") is None
    assert not move_checkpoint(tx, "balances", before=ONE, to=TWO)
    assert move_checkpoint(tx, "balances", before=None, to=THREE)


def test_table_is_made_once(tx: Connection) -> None:
    """
    Making it again changes nothing.
    """
    move_checkpoint(tx, "balances", before=None, to=ONE)

    create_checkpoint_table(tx)

    assert load_checkpoint(tx, "balances") == ONE


def test_start_is_before_everything() -> None:
    """
    Nothing is finished at the start.
    """
    assert Checkpoint(event_id="", event_hash="", position=0, events=0) == START
