from .checkpoint import (
    Checkpoint as Checkpoint,
)
from .subscription import (
    find_event as find_event,
)
from .subscription import (
    subscribe as subscribe,
)
