from .event import (
    Event as Event,
)
from .event import (
    NewEvent as NewEvent,
)
from .event import (
    RecordedEvent as RecordedEvent,
)
from .event_types import (
    EventTypes as EventTypes,
)
from .event_types import (
    event_types as event_types,
)
from .event_types import (
    stored_types_of as stored_types_of,
)
from .handlers import (
    handles as handles,
)
from .metadata import (
    Metadata as Metadata,
)
from .personal_data import (
    Erased as Erased,
)
from .subject import (
    Subject as Subject,
)
from .subject_erased import (
    SubjectErased as SubjectErased,
)
from .upcasters import (
    upcaster as upcaster,
)
