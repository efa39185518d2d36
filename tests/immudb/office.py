"""
A server that is asked without a client in between, so that its own words are seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.immudb.messages import CALLS, SERVICE, new, parse

if TYPE_CHECKING:
    from eventsource.immudb.connection import Address, Metadata

PASSWORD: Final = "Pw1:pasdfoiu"  # noqa: S105  of users that a test makes
EXPIRED: Final = new("KVMetadata", expiration=new("Expiration", expiresAt=1))


@attrs.define
class Office:
    """
    A server with a database and users of its own, asked without a client in between.
    """

    channel: Any
    address: Address
    is_real: bool
    names: dict[str, str] = attrs.field(factory=dict[str, str])
    sessions: dict[str, Metadata] = attrs.field(factory=dict)

    async def ask(self, call: str, request: Any, caller: str = "administrator") -> Any:
        """
        Call as somebody; raises what gRPC raises.
        """
        ask = self.channel.unary_unary(f"/{SERVICE}/{call}", None, None)
        metadata = await self._session(caller)
        return parse(CALLS[call][1], await ask(request.SerializeToString(), metadata=metadata, timeout=30))

    async def set(self, **entries: bytes) -> int:
        """
        Write keys in one transaction, and give its number.
        """
        written = [new("KeyValue", key=key.encode(), value=value) for key, value in entries.items()]
        return int((await self.ask("Set", new("SetRequest", KVs=written))).id)

    async def _session(self, caller: str) -> Metadata:
        if caller == "nobody":
            return ()
        if caller not in self.sessions:
            self.sessions[caller] = await self.open_session("administrator" if caller == "ended" else caller)
            if caller == "ended":
                close = self.channel.unary_unary(f"/{SERVICE}/CloseSession", None, None)
                await close(b"", metadata=self.sessions[caller])
        return self.sessions[caller]

    async def open_session(self, caller: str) -> Metadata:
        """
        Log in as somebody.
        """
        user, password = self.names.get(caller, ""), PASSWORD
        if caller == "administrator":
            user, password = self.address.user or "", self.address.password or ""
        ask = self.channel.unary_unary(f"/{SERVICE}/OpenSession", None, None)
        request = new(
            "OpenSessionRequest",
            username=user.encode(),
            password=password.encode(),
            databaseName=self.names.get("database", self.address.database),
        )
        opened = parse("OpenSessionResponse", await ask(request.SerializeToString(), timeout=30))
        return (("sessionid", opened.sessionID),)

    async def leave(self) -> None:
        """
        End its sessions.
        """
        self.sessions.pop("ended", None)
        for caller in list(self.sessions):
            await self.ask("CloseSession", new("Empty"), caller)
        self.sessions.clear()


async def furnish(office: Office, unique: str) -> None:
    """
    Make users, keys and transactions.
    """
    for role, permission in (("manager", 254), ("reader", 1), ("inactive", 1)):
        name = office.names[role] = f"{role}{unique}"
        request = new("CreateUserRequest", user=name.encode(), password=PASSWORD.encode(), permission=permission)
        request.database = office.names["database"]
        await office.ask("CreateUser", request)
    await office.ask("SetActiveUser", new("SetActiveUserRequest", username=office.names["inactive"], active=False))
    await office.set(plain=b"1")
    await office.set(plain=b"2", gone=b"2")
    await office.ask("Delete", new("DeleteKeysRequest", keys=[b"gone"]))
    await office.ask("Set", new("SetRequest", KVs=[new("KeyValue", key=b"ended", value=b"1", metadata=EXPIRED)]))
    await office.set(middle=b"1")
    for key, referred in ((b"pointer", b"plain"), (b"outer", b"middle")):
        await office.ask("SetReference", new("ReferenceRequest", key=key, referencedKey=referred))
    await office.ask("Delete", new("DeleteKeysRequest", keys=[b"middle"]))
    await office.ask("SetReference", new("ReferenceRequest", key=b"middle", referencedKey=b"plain"))
    office.names["newest"] = str((await office.ask("CurrentState", new("Empty"))).txId)
