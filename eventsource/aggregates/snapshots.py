"""
Snapshots of aggregates: when they are taken, when one may be used, how they are forgotten.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs

from eventsource.aggregates.errors import UnstorableStateError
from eventsource.aggregates.fingerprint import Fingerprint, fingerprint_of
from eventsource.aggregates.snapshot import Snapshot
from eventsource.aggregates.state_codec import StateCodec, continue_at, passed_over
from eventsource.log import get_logger
from eventsource.subscriptions.errors import NotAReadModelDatabaseError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from eventsource.aggregates.aggregate import Aggregate
    from eventsource.aggregates.snapshot import SinceSnapshot, SnapshotPolicy
    from eventsource.aggregates.snapshot_stores import SnapshotStore
    from eventsource.events.event import RecordedEvent

_log = get_logger(__name__)


class Snapshots:
    """
    Takes snapshots of aggregates and starts loading from them.

    They are a cache. One is used only if the very code runs that made it, if it is undamaged, and if the
    last event in it is still in the store. Whatever goes wrong with one, or with the store they are kept
    in, is logged, and the events are read instead: no command fails by it, and none waits for a snapshot
    to be written::

        snapshots = Snapshots(SqlSnapshotStore(database), {Account: EveryEvents(100) | SlowerThan(0.05)})
        accounts = Repository(Account, store, snapshots=snapshots)

    Args:
        store: Where they are kept.

        policies: Of which classes, and when.

        patience_s: For how long a load waits for the store of the snapshots, in seconds; then it does without.

    Raises:
        UnstorableStateError: The state of one of the classes has no form that could be read back the same.
    """

    def __init__(
        self,
        store: SnapshotStore,
        policies: Mapping[type[Aggregate], SnapshotPolicy],
        *,
        patience_s: float = 1.0,
    ) -> None:
        self._store = store
        self._policies = dict(policies)
        self._patience_s = patience_s
        self._folds = {aggregate_class: self._make_fold(aggregate_class) for aggregate_class in self._policies}
        self._tasks: dict[tuple[object, ...], asyncio.Task[None]] = {}

    def covers(self, aggregate_class: type[Aggregate]) -> bool:
        """
        Whether it takes snapshots of that class.
        """
        return aggregate_class in self._policies

    def is_due(self, aggregate: Aggregate, since: SinceSnapshot) -> bool:
        """
        Whether its policy wants a snapshot now.
        """
        policy = self._policies.get(type(aggregate))
        return policy is not None and since.events > 0 and policy.is_due(since)

    async def begin(self, aggregate: Aggregate, *, subject: str) -> Beginning:
        """
        Let an aggregate of which nothing is read begin where its last snapshot ends, if there is one.

        Whether the store still has the last event of that is for the caller to find out.

        Args:
            aggregate: Which one.

            subject: What the whole store calls its subject, if *aggregate* is read from a part.
        """
        fold = self._fold_of(type(aggregate))
        try:
            async with asyncio.timeout(self._patience_s):
                found = await self._store.find(subject=subject, aggregate=fold.name, fingerprint=fold.fingerprint.text)
        except NotAReadModelDatabaseError:
            # No failure that passes: snapshots were to be kept in an event store's own file.
            raise
        except Exception as error:  # noqa: BLE001  best effort: whatever it is, the events are there
            _log.warning("snapshots.unavailable", aggregate=fold.name, error=type(error).__name__)
            return Beginning(snapshot=None, purges=None)
        snapshot = found.snapshot
        if snapshot is None:
            return Beginning(None, found.purges)
        try:
            self._check(snapshot, subject, fold)
            fold.codec.decode_into(aggregate, snapshot.state)
        except Exception as error:  # noqa: BLE001  a damaged snapshot is none, whatever the damage
            await self.discard(aggregate, subject=subject, why=type(error).__name__)
            return Beginning(None, found.purges)
        continue_at(aggregate, snapshot)
        return Beginning(snapshot, found.purges)

    def take(self, aggregate: Aggregate, *, subject: str, last_event: RecordedEvent, purges: int) -> None:
        """
        Take a snapshot of an aggregate as it was folded from its events, and keep it in the background.

        Args:
            aggregate: Nothing was emitted on it.

            subject: As of `begin`.

            last_event: The last event in it.

            purges: What `begin` said before its events were read.
        """
        fold = self._fold_of(type(aggregate))
        try:
            state = fold.codec.encode(aggregate)
        except UnstorableStateError as error:
            _log.warning("snapshot.refused", aggregate=fold.name, attribute=error.attribute, reason=error.reason)
            return
        except Exception as error:  # noqa: BLE001  best effort
            _log.warning("snapshot.failed", aggregate=fold.name, error=type(error).__name__)
            return
        snapshot = Snapshot(
            subject=str(subject),
            aggregate=fold.name,
            fingerprint=fold.fingerprint.text,
            version=aggregate.version,
            passed_over=passed_over(aggregate),
            last_event_id=last_event.id,
            last_event_hash=last_event.hash,
            state=state,
        )
        self.in_background(("put", snapshot.subject, fold.name), self._put(snapshot, purges))

    async def discard(self, aggregate: Aggregate, *, subject: str, why: str) -> None:
        """
        Forget the snapshot of an aggregate, which turned out to be of no use. Best effort.
        """
        fold = self._fold_of(type(aggregate))
        _log.warning("snapshot.discarded", aggregate=fold.name, why=why)
        try:
            async with asyncio.timeout(self._patience_s):
                await self._store.discard(subject=subject, aggregate=fold.name, fingerprint=fold.fingerprint.text)
        except Exception as error:  # noqa: BLE001  best effort
            _log.warning("snapshots.unavailable", aggregate=fold.name, error=type(error).__name__)

    async def purge(self, subject: str) -> int:
        """
        Forget the snapshots of a subject, those on their way in any process included.

        Call it after `EventStore.erase`: an aggregate that was read before may hold what was erased, and
        none of that is kept from now on. Unlike all else here it does not pass over errors.

        Args:
            subject: What the whole store calls it.

        Returns:
            How many there were.
        """
        return await self._store.purge(subject)

    def in_background(self, key: tuple[object, ...], work: Coroutine[Any, Any, None]) -> None:
        """
        Do something that nobody waits for. While something with the same key is under way, nothing is done.
        """
        if key in self._tasks:
            work.close()
            return
        task = self._tasks[key] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def settle(self) -> None:
        """
        Return when all that is under way in the background is done: before a program ends, or a test looks.
        """
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _put(self, snapshot: Snapshot, purges: int) -> None:
        try:
            await self._store.put(snapshot, purges=purges)
        except Exception as error:  # noqa: BLE001  best effort
            _log.warning("snapshots.unavailable", aggregate=snapshot.aggregate, error=type(error).__name__)

    def _check(self, snapshot: Snapshot, subject: str, fold: _Fold) -> None:
        key = (str(subject), fold.name, fold.fingerprint.text)
        if not snapshot.is_intact or (snapshot.subject, snapshot.aggregate, snapshot.fingerprint) != key:
            msg = "the snapshot is not as it was made"
            raise ValueError(msg)

    def _make_fold(self, aggregate_class: type[Aggregate]) -> _Fold:
        codec = StateCodec(aggregate_class)
        fingerprint = fingerprint_of(aggregate_class)
        return _Fold(aggregate_class.__qualname__, codec, fingerprint)

    def _fold_of(self, aggregate_class: type[Aggregate]) -> _Fold:
        fold = self._folds[aggregate_class]
        if not fold.fingerprint.is_current:
            # An upcaster was declared after the snapshots were set up.
            fold = self._folds[aggregate_class] = self._make_fold(aggregate_class)
        return fold


@attrs.frozen
class Beginning:
    """
    Where loading an aggregate begins.

    Attributes:
        snapshot: The snapshot whose state it has; None if it begins with its first event.

        purges: How often its subject was purged; None if nobody could tell, and so no snapshot may be taken.
    """

    snapshot: Snapshot | None
    purges: int | None


@attrs.frozen(eq=False)
class _Fold:
    name: str
    codec: StateCodec
    fingerprint: Fingerprint
