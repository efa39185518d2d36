from .command import (
    Command as Command,
)
from .dispatcher import (
    Dispatcher as Dispatcher,
)
from .execution import (
    CommandResult as CommandResult,
)
from .middleware import (
    Middleware as Middleware,
)
from .middleware import (
    Proceed as Proceed,
)
