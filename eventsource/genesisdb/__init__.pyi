from .client import (
    Client as Client,
)
from .event import (
    Event as Event,
)
from .exchange import (
    Limits as Limits,
)
from .options import (
    EventInput as EventInput,
)
from .options import (
    EventOptions as EventOptions,
)
from .options import (
    PreconditionInput as PreconditionInput,
)
from .options import (
    StreamOptions as StreamOptions,
)
from .rows import (
    Rows as Rows,
)
from .transport import (
    Transport as Transport,
)
