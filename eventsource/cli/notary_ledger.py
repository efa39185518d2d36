"""
The ledger that the commands of ``eventsource notary`` work with, and the options that say how it is reached.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import attrs
import typer

from eventsource.cli.failures import CommandError
from eventsource.notary import Head, Ledger, NotaryBook, SignedHead, open_ledger
from eventsource.root_error import EventSourceError

CertificateAuthority = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        envvar="EVENTSOURCE_LEDGER_CA",
        show_envvar=True,
        help="Certificates, PEM, of those who vouch for an immudb; the connection is encrypted.",
    ),
]
ServerKey = Annotated[
    Path | None,
    typer.Option(
        "--server-key",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        envvar="EVENTSOURCE_LEDGER_SERVER_KEY",
        show_envvar=True,
        help="The public key, PEM, that an immudb signs its state with; each answer must be signed.",
    ),
]
TrustFile = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        metavar="FILE",
        dir_okay=False,
        envvar="EVENTSOURCE_LEDGER_TRUST",
        show_envvar=True,
        help="Remember there what is trusted of an immudb, from one command to the next.",
    ),
]
FirstContact = Annotated[
    bool,
    typer.Option("--first-contact", help="Trust an immudb of which neither book nor --head nor --trust knows a head."),
]


@attrs.frozen
class LedgerChoice:
    """
    Which ledger, and how it is reached.

    Attributes:
        url: Its URL.

        ca: A file with certificates of those who vouch for an immudb.

        server_key: A file with the public key of an immudb.

        trust: The file that remembers what is trusted of an immudb.

        first_contact: True to trust an immudb of which nothing is known.
    """

    url: str
    ca: Path | None = None
    server_key: Path | None = None
    trust: Path | None = None
    first_contact: bool = False

    async def find(
        self,
        book: NotaryBook | None,
        name: str,
        *,
        heads: Sequence[SignedHead] = (),
        origin: str | None = None,
        read_only: bool = False,
    ) -> Ledger:
        """
        The ledger, with the head to begin with that book or heads know.

        Raises:
            CommandError: It is an immudb, and no head of it is known; or a file is not what its option asks for.
            InvalidLedgerUrlError, InvalidImmudbUrlError: The URL names no ledger.
        """
        seen = await book.last_seen(name) if book else None
        known = [seen.head] if seen else [one.head for one in heads]
        if self.url.startswith("immudb"):
            return await self._find_immudb(known[0] if known else None, origin=origin, read_only=read_only)
        if self.ca or self.server_key or self.trust:
            msg = "--ca, --server-key and --trust are about an immudb: leave them out, or give --ledger immudb://..."
            raise CommandError(msg)
        # A log's file says how it is called.
        return open_ledger(self.url, read_only=read_only, origin=origin)

    async def _find_immudb(self, pinned: Head | None, *, origin: str | None, read_only: bool) -> Ledger:
        # Whoever keeps a log in a file needs no gRPC.
        from eventsource.immudb import Tls  # noqa: PLC0415

        tls = Tls(_certificates(self.ca)) if self.ca else None
        try:
            ledger = open_ledger(
                self.url,
                read_only=read_only,
                origin=origin or (pinned.origin if pinned else None),
                pinned=pinned,
                trust=self.trust,
                trust_on_first_use=self.first_contact,
                server_public_key=self.server_key.read_bytes() if self.server_key else None,
                tls=tls,
            )
        except ValueError as error:
            if isinstance(error, EventSourceError):
                raise
            msg = f"{self.server_key} holds no public key as an immudb has it, PEM of ECDSA on the curve P-256"
            raise CommandError(msg) from None
        if pinned is None and not self.first_contact and not await self._is_trusted(ledger):
            msg = (
                "no head of this immudb is known: give --book, --head or --trust that know one, or --first-contact to "
                "trust it"
            )
            raise CommandError(msg)
        return ledger

    async def _is_trusted(self, ledger: Ledger) -> bool:
        from eventsource.notary.immudb_ledger import ImmudbLedger  # noqa: PLC0415

        assert isinstance(ledger, ImmudbLedger)  # noqa: S101  as the URL says
        return await ledger.is_trusted()


def _certificates(path: Path) -> bytes:
    pem = path.read_bytes()
    try:
        ssl.create_default_context(cadata=pem.decode())
    except (ssl.SSLError, ValueError):
        msg = f"{path} holds no certificates, PEM"
        raise CommandError(msg) from None
    return pem
