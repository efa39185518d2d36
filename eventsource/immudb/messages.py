"""
The messages of immudb's gRPC service that are used here, as classes made when this module is imported.

A table of fields stands in the place of generated code. The classes live in a pool of descriptors of
their own: the official client registers a file named ``schema.proto`` in the one that all share, and
whoever comes second there fails.

Source:
    Numbers and types of immudb's ``schema.proto``, package ``immudb.schema``. Names of messages do not
    cross the wire; fields that are left out here are skipped when a message is read.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

SERVICE: Final = "immudb.schema.ImmuService"

# A line is a message, then its fields: number, name, type; `*` is for any number of them.
_FIELDS: Final = """
Empty
Expiration            1 expiresAt int64
KVMetadata            1 deleted bool, 2 expiration Expiration, 3 nonIndexable bool
KeyValue              1 key bytes, 2 value bytes, 3 metadata KVMetadata
KeyOnly               1 key bytes
KeyNotModified        1 key bytes, 2 txID uint64
Precondition          1 keyMustExist KeyOnly, 2 keyMustNotExist KeyOnly, 3 keyNotModifiedAfterTX KeyNotModified
SetRequest            1 KVs *KeyValue, 2 noWait bool, 3 preconditions *Precondition
KeyRequest            1 key bytes, 2 atTx uint64, 3 sinceTx uint64, 4 noWait bool, 5 atRevision int64
KeyListRequest        1 keys *bytes, 2 sinceTx uint64
HistoryRequest        1 key bytes, 2 offset uint64, 3 limit int32, 4 desc bool, 5 sinceTx uint64
ScanRequest           1 seekKey bytes, 2 prefix bytes, 3 desc bool, 4 limit uint64, 5 sinceTx uint64, 6 noWait bool, 7 endKey bytes, 8 inclusiveSeek bool, 9 inclusiveEnd bool, 10 offset uint64
Reference             1 tx uint64, 2 key bytes, 3 atTx uint64, 4 metadata KVMetadata, 5 revision uint64
Entry                 1 tx uint64, 2 key bytes, 3 value bytes, 4 referencedBy Reference, 5 metadata KVMetadata, 6 expired bool, 7 revision uint64
Entries               1 entries *Entry
DeleteKeysRequest     1 keys *bytes, 2 sinceTx uint64, 3 noWait bool
ReferenceRequest      1 key bytes, 2 referencedKey bytes, 3 atTx uint64, 4 boundRef bool, 5 noWait bool, 6 preconditions *Precondition
VerifiableReferenceRequest 1 referenceRequest ReferenceRequest, 2 proveSinceTx uint64
ZAddRequest           1 set bytes, 2 score double, 3 key bytes, 4 atTx uint64, 5 boundRef bool, 6 noWait bool
Score                 1 score double
ZScanRequest          1 set bytes, 2 seekKey bytes, 3 seekScore double, 4 seekAtTx uint64, 5 inclusiveSeek bool, 6 limit uint64, 7 desc bool, 8 minScore Score, 9 maxScore Score, 10 sinceTx uint64, 11 noWait bool, 12 offset uint64
ZEntry                1 set bytes, 2 key bytes, 3 entry Entry, 4 score double, 5 atTx uint64
ZEntries              1 entries *ZEntry
Signature             1 publicKey bytes, 2 signature bytes
TxMetadata            1 truncatedTxID uint64, 2 extra bytes
TxHeader              1 id uint64, 2 prevAlh bytes, 3 ts int64, 4 nentries int32, 5 eH bytes, 6 blTxId uint64, 7 blRoot bytes, 8 version int32, 9 metadata TxMetadata
TxEntry               1 key bytes, 2 hValue bytes, 3 vLen int32, 4 metadata KVMetadata, 5 value bytes
Tx                    1 header TxHeader, 2 entries *TxEntry, 3 kvEntries *Entry, 4 zEntries *ZEntry
TxRequest             1 tx uint64, 2 entriesSpec EntriesSpec, 3 sinceTx uint64, 4 noWait bool, 5 keepReferencesUnresolved bool
TxScanRequest         1 initialTx uint64, 2 limit uint32, 3 desc bool, 4 entriesSpec EntriesSpec, 5 sinceTx uint64, 6 noWait bool
TxList                1 txs *Tx
LinearProof           1 sourceTxId uint64, 2 TargetTxId uint64, 3 terms *bytes
InclusionProof        1 leaf int32, 2 width int32, 3 terms *bytes
LinearAdvanceProof    1 linearProofTerms *bytes, 2 inclusionProofs *InclusionProof
DualProof             1 sourceTxHeader TxHeader, 2 targetTxHeader TxHeader, 3 inclusionProof *bytes, 4 consistencyProof *bytes, 5 targetBlTxAlh bytes, 6 lastInclusionProof *bytes, 7 linearProof LinearProof, 8 LinearAdvanceProof LinearAdvanceProof
VerifiableTx          1 tx Tx, 2 dualProof DualProof, 3 signature Signature
VerifiableEntry       1 entry Entry, 2 verifiableTx VerifiableTx, 3 inclusionProof InclusionProof
VerifiableSetRequest  1 setRequest SetRequest, 2 proveSinceTx uint64
VerifiableGetRequest  1 keyRequest KeyRequest, 2 proveSinceTx uint64
EntryTypeSpec         1 action int32
EntriesSpec           1 kvEntriesSpec EntryTypeSpec, 2 zEntriesSpec EntryTypeSpec, 3 sqlEntriesSpec EntryTypeSpec
VerifiableTxRequest   1 tx uint64, 2 proveSinceTx uint64, 3 entriesSpec EntriesSpec, 4 sinceTx uint64, 5 noWait bool, 6 keepReferencesUnresolved bool
ImmutableState        1 db string, 2 txId uint64, 3 txHash bytes, 4 signature Signature, 5 precommittedTxId uint64, 6 precommittedTxHash bytes
OpenSessionRequest    1 username bytes, 2 password bytes, 3 databaseName string
OpenSessionResponse   1 sessionID string, 2 serverUUID string
LoginRequest          1 user bytes, 2 password bytes
LoginResponse         1 token string, 2 warning bytes
Database              1 databaseName string
UseDatabaseReply      1 token string
CreateDatabaseRequest 1 name string, 3 ifNotExists bool
CreateDatabaseResponse 1 name string, 3 alreadyExisted bool
DatabaseListResponse  1 databases *Database
DatabaseInfo          1 name string, 3 loaded bool, 4 diskSize uint64, 5 numTransactions uint64
DatabaseListResponseV2 1 databases *DatabaseInfo
Permission            1 database string, 2 permission uint32
User                  1 user bytes, 3 permissions *Permission, 4 createdby string, 5 createdat string, 6 active bool
UserList              1 users *User
CreateUserRequest     1 user bytes, 2 password bytes, 3 permission uint32, 4 database string
ChangePasswordRequest 1 user bytes, 2 oldPassword bytes, 3 newPassword bytes
ChangePermissionRequest 1 action int32, 2 username string, 3 database string, 4 permission uint32
SetActiveUserRequest  1 active bool, 2 username string
HealthResponse        1 status bool, 2 version string
ServerInfoResponse    1 version string, 2 startedAt int64, 3 numTransactions int64, 4 numDatabases int32, 5 databasesDiskSize int64
"""  # noqa: E501  one message a line reads best

# Remote call: what is sent, what is answered.
CALLS: Final[dict[str, tuple[str, str]]] = {
    "ChangePassword": ("ChangePasswordRequest", "Empty"),
    "ChangePermission": ("ChangePermissionRequest", "Empty"),
    "CloseSession": ("Empty", "Empty"),
    "CreateDatabase": ("Database", "Empty"),
    "CreateDatabaseV2": ("CreateDatabaseRequest", "CreateDatabaseResponse"),
    "CreateUser": ("CreateUserRequest", "Empty"),
    "CurrentState": ("Empty", "ImmutableState"),
    "DatabaseList": ("Empty", "DatabaseListResponse"),
    "DatabaseListV2": ("Empty", "DatabaseListResponseV2"),
    "Delete": ("DeleteKeysRequest", "TxHeader"),
    "Get": ("KeyRequest", "Entry"),
    "GetAll": ("KeyListRequest", "Entries"),
    "Health": ("Empty", "HealthResponse"),
    "History": ("HistoryRequest", "Entries"),
    "KeepAlive": ("Empty", "Empty"),
    "ListUsers": ("Empty", "UserList"),
    "Login": ("LoginRequest", "LoginResponse"),
    "Logout": ("Empty", "Empty"),
    "OpenSession": ("OpenSessionRequest", "OpenSessionResponse"),
    "Scan": ("ScanRequest", "Entries"),
    "ServerInfo": ("Empty", "ServerInfoResponse"),
    "Set": ("SetRequest", "TxHeader"),
    "SetActiveUser": ("SetActiveUserRequest", "Empty"),
    "SetReference": ("ReferenceRequest", "TxHeader"),
    "TxById": ("TxRequest", "Tx"),
    "TxScan": ("TxScanRequest", "TxList"),
    "UseDatabase": ("Database", "UseDatabaseReply"),
    "VerifiableGet": ("VerifiableGetRequest", "VerifiableEntry"),
    "VerifiableSet": ("VerifiableSetRequest", "VerifiableTx"),
    "VerifiableSetReference": ("VerifiableReferenceRequest", "VerifiableTx"),
    "VerifiableTxById": ("VerifiableTxRequest", "VerifiableTx"),
    "ZAdd": ("ZAddRequest", "TxHeader"),
    "ZScan": ("ZScanRequest", "ZEntries"),
}

__all__ = ["CALLS", "SERVICE", "DecodeError", "new", "parse"]


def new(message: str, **fields: object) -> Any:
    """
    A message with these fields.
    """
    return _CLASSES[message](**fields)


def parse(message: str, encoded: bytes) -> Any:
    """
    Read a message.

    Raises:
        DecodeError: It is none.
    """
    return _CLASSES[message].FromString(encoded)


def _make_classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="eventsource/immudb.proto", package="eventsource.immudb", syntax="proto3"
    )
    for line in _FIELDS.strip().splitlines():
        name, _, fields = line.partition(" ")
        message = file.message_type.add(name=name)
        for field in fields.split(","):
            if field.strip():
                _add_field(message, *field.split())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
        for message in file.message_type
    }


def _add_field(message: descriptor_pb2.DescriptorProto, number: str, name: str, kind: str) -> None:
    field = descriptor_pb2.FieldDescriptorProto
    is_many, kind = kind.startswith("*"), kind.removeprefix("*")
    added = message.field.add(
        number=int(number), name=name, label=field.LABEL_REPEATED if is_many else field.LABEL_OPTIONAL
    )
    if kind[0].isupper():
        added.type = field.TYPE_MESSAGE
        added.type_name = f".eventsource.immudb.{kind}"
    else:
        added.type = field.Type.Value(f"TYPE_{kind.upper()}")


_CLASSES: Final = _make_classes()
