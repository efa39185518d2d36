from .aggregate import (
    Aggregate as Aggregate,
)
from .cache import (
    AggregateCache as AggregateCache,
)
from .context import (
    current_metadata as current_metadata,
)
from .context import (
    with_metadata as with_metadata,
)
from .decider import (
    Decider as Decider,
)
from .decision_state import (
    DecisionState as DecisionState,
)
from .history import (
    Change as Change,
)
from .history import (
    Difference as Difference,
)
from .history import (
    HistoryEntry as HistoryEntry,
)
from .history import (
    Moment as Moment,
)
from .loader import (
    Loader as Loader,
)
from .periods import (
    PeriodAggregate as PeriodAggregate,
)
from .repository import (
    Repository as Repository,
)
from .snapshot import (
    AfterEvent as AfterEvent,
)
from .snapshot import (
    EveryEvents as EveryEvents,
)
from .snapshot import (
    SinceSnapshot as SinceSnapshot,
)
from .snapshot import (
    SlowerThan as SlowerThan,
)
from .snapshot import (
    Snapshot as Snapshot,
)
from .snapshot import (
    SnapshotPolicy as SnapshotPolicy,
)
from .snapshot_stores import (
    FoundSnapshot as FoundSnapshot,
)
from .snapshot_stores import (
    InMemorySnapshotStore as InMemorySnapshotStore,
)
from .snapshot_stores import (
    SnapshotStore as SnapshotStore,
)
from .snapshot_stores import (
    SqlSnapshotStore as SqlSnapshotStore,
)
from .snapshots import (
    Snapshots as Snapshots,
)
from .transacting import (
    RetryPolicy as RetryPolicy,
)
from .transacting import (
    transact as transact,
)
from .unit_of_work import (
    UnitOfWork as UnitOfWork,
)
