from .database import (
    ReadModelDatabase as ReadModelDatabase,
)
from .progress import (
    RunningProgress as RunningProgress,
)
from .projector import (
    Projector as Projector,
)
from .worker import (
    ProjectionWorker as ProjectionWorker,
)
from .worker import (
    rebuild as rebuild,
)
