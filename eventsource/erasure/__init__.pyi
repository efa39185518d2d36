from .erase import (
    Cleanable as Cleanable,
)
from .erase import (
    Erasure as Erasure,
)
from .erase import (
    Purgeable as Purgeable,
)
from .erase import (
    erase_subject as erase_subject,
)
from .plan import (
    ErasurePlan as ErasurePlan,
)
from .plan import (
    PlannedEvent as PlannedEvent,
)
from .plan import (
    plan_erasure as plan_erasure,
)
from .purging import (
    purge_caches as purge_caches,
)
