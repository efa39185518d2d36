from .embedded.store import (
    EmbeddedEventStore as EmbeddedEventStore,
)
from .interface import (
    AuditReport as AuditReport,
)
from .interface import (
    EventStore as EventStore,
)
from .interface import (
    EventStream as EventStream,
)
from .interface import (
    Page as Page,
)
from .interface import (
    StoreStatus as StoreStatus,
)
from .memory import (
    InMemoryEventStore as InMemoryEventStore,
)
from .opening import (
    connect as connect,
)
from .query import (
    DataIndex as DataIndex,
)
from .query import (
    Explanation as Explanation,
)
from .query import (
    IndexState as IndexState,
)
from .query import (
    QueryLimits as QueryLimits,
)
from .query import (
    QueryRows as QueryRows,
)
from .schema.generated import (
    schema_of as schema_of,
)
from .schema.registering import (
    SchemaDifference as SchemaDifference,
)
from .schema.registering import (
    SchemaState as SchemaState,
)
from .schema.registering import (
    diff_schemas as diff_schemas,
)
from .schema.registering import (
    push_schemas as push_schemas,
)
from .scope.store import (
    ScopedEventStore as ScopedEventStore,
)
from .scope.store import (
    scoped as scoped,
)
