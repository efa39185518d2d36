from .aggregates.aggregate import (
    Aggregate as Aggregate,
)
from .aggregates.context import (
    with_metadata as with_metadata,
)
from .aggregates.decider import (
    Decider as Decider,
)
from .aggregates.decision_state import (
    DecisionState as DecisionState,
)
from .aggregates.errors import (
    AggregateExistsError as AggregateExistsError,
    AggregateNotFoundError as AggregateNotFoundError,
    ConflictError as ConflictError,
    RuleBrokenError as RuleBrokenError,
)
from .aggregates.periods import (
    PeriodAggregate as PeriodAggregate,
)
from .aggregates.repository import (
    Repository as Repository,
)
from .aggregates.snapshots import (
    Snapshots as Snapshots,
)
from .aggregates.transacting import (
    RetryPolicy as RetryPolicy,
    transact as transact,
)
from .aggregates.unit_of_work import (
    UnitOfWork as UnitOfWork,
)
from .commands.command import (
    Command as Command,
)
from .commands.dispatcher import (
    Dispatcher as Dispatcher,
)
from .erasure.erase import (
    erase_subject as erase_subject,
)
from .events.event import (
    Event as Event,
    NewEvent as NewEvent,
    RecordedEvent as RecordedEvent,
)
from .events.handlers import (
    handles as handles,
)
from .events.metadata import (
    Metadata as Metadata,
)
from .events.personal_data import (
    Erased as Erased,
)
from .events.subject import (
    Subject as Subject,
)
from .events.upcasters import (
    upcaster as upcaster,
)
from .guards.guard import (
    Guard as Guard,
    select_events as select_events,
)
from .guards.preconditions import (
    Precondition as Precondition,
    QueryHolds as QueryHolds,
    SubjectExists as SubjectExists,
    SubjectIsAtVersion as SubjectIsAtVersion,
    SubjectIsNew as SubjectIsNew,
)
from .guards.rules import (
    rule as rule,
)
from .processes.process_manager import (
    ProcessManager as ProcessManager,
)
from .processes.reaction import (
    Refusal as Refusal,
    on_refusal as on_refusal,
    on_timer as on_timer,
    reacts as reacts,
    starts as starts,
)
from .processes.worker import (
    ProcessWorker as ProcessWorker,
)
from .projections.database import (
    ReadModelDatabase as ReadModelDatabase,
)
from .projections.projector import (
    Projector as Projector,
)
from .projections.worker import (
    ProjectionWorker as ProjectionWorker,
)
from .root_error import (
    DeclarationError as DeclarationError,
    EventSourceError as EventSourceError,
    StoreError as StoreError,
)
from .store.interface import (
    EventStore as EventStore,
)
from .store.opening import (
    connect as connect,
)
from .store.scope.store import (
    scoped as scoped,
)
from .wire.errors import (
    CommitOutcomeUnknownError as CommitOutcomeUnknownError,
)
