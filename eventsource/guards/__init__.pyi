from .event_proxy import (
    one_of as one_of,
)
from .guard import (
    Guard as Guard,
)
from .guard import (
    all_of as all_of,
)
from .guard import (
    select_events as select_events,
)
from .preconditions import (
    Precondition as Precondition,
)
from .preconditions import (
    QueryHolds as QueryHolds,
)
from .preconditions import (
    SubjectExists as SubjectExists,
)
from .preconditions import (
    SubjectIsAtVersion as SubjectIsAtVersion,
)
from .preconditions import (
    SubjectIsNew as SubjectIsNew,
)
from .rules import (
    rule as rule,
)
