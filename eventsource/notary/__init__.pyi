from .book import (
    NotaryBook as NotaryBook,
)
from .embedded_ledger import (
    EmbeddedLedger as EmbeddedLedger,
)
from .event_receipt import (
    EventReceipt as EventReceipt,
)
from .event_receipt import (
    make_receipt as make_receipt,
)
from .findings import (
    Finding as Finding,
)
from .findings import (
    Verdict as Verdict,
)
from .kept_states import (
    KeptStates as KeptStates,
)
from .keys import (
    KeyKind as KeyKind,
)
from .keys import (
    SigningKey as SigningKey,
)
from .keys import (
    VerifyingKey as VerifyingKey,
)
from .ledger import (
    Entry as Entry,
)
from .ledger import (
    Head as Head,
)
from .ledger import (
    Ledger as Ledger,
)
from .ledger import (
    Proved as Proved,
)
from .ledger import (
    Receipt as Receipt,
)
from .notary import (
    Notary as Notary,
)
from .open import (
    open_ledger as open_ledger,
)
from .signed_head import (
    SignedHead as SignedHead,
)
from .status import (
    NotaryStatus as NotaryStatus,
)
from .verification import (
    verify as verify,
)
