from .overview import (
    ProcessOverview as ProcessOverview,
)
from .overview import (
    ProcessStatus as ProcessStatus,
)
from .overview import (
    list_processes as list_processes,
)
from .overview import (
    retry_process as retry_process,
)
from .process_manager import (
    ProcessManager as ProcessManager,
)
from .reaction import (
    Refusal as Refusal,
)
from .reaction import (
    on_refusal as on_refusal,
)
from .reaction import (
    on_timer as on_timer,
)
from .reaction import (
    own_command as own_command,
)
from .reaction import (
    reacts as reacts,
)
from .reaction import (
    starts as starts,
)
from .run import (
    ProcessProgress as ProcessProgress,
)
from .worker import (
    ProcessWorker as ProcessWorker,
)
