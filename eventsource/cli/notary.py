"""
``eventsource notary``: notarise a store, ask how far that is, verify, and hand out heads and receipts.
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from eventsource.cli.failures import EXIT_CODES_HELP, CommandError, ExitCode
from eventsource.cli.notary_ledger import CertificateAuthority, FirstContact, LedgerChoice, ServerKey, TrustFile
from eventsource.cli.notary_output import (
    VerifyResult,
    head_in_words,
    print_findings,
    print_status,
    read_heads,
    read_keys,
    signing_key,
)
from eventsource.cli.notary_running import book_if_known, book_path, follow, read_status
from eventsource.cli.options import Json, StoreUrl, show_help_if_alone
from eventsource.cli.output import write_error, write_file, write_json, write_lines
from eventsource.cli.signals import run as run_async
from eventsource.notary import (
    EmbeddedLedger,
    Notary,
    NotaryBook,
    SignedHead,
    make_receipt,
    verify,
)
from eventsource.notary.publishing import make_head
from eventsource.notary.signed_head import to_witness_request
from eventsource.notary.standing import find_standing
from eventsource.store.opening import connect

app = typer.Typer(
    rich_markup_mode=None, help="Notarise the events of a store, verify them, hand out heads and receipts."
)

LedgerUrl = Annotated[
    str,
    typer.Option(
        "--ledger",
        metavar="URL",
        envvar="EVENTSOURCE_LEDGER",
        show_envvar=True,
        help="Where it is notarised: sqlite:notary.db, or immudb://HOST:3322/DATABASE.",
    ),
]
BookPath = Annotated[
    Path | None,
    typer.Option(
        "--book",
        metavar="FILE",
        envvar="EVENTSOURCE_NOTARY_BOOK",
        show_envvar=True,
        help="The notary's book: its secret. By default the ledger's file with -book behind it.",
    ),
]
StoreName = Annotated[
    str,
    typer.Option(
        "--name",
        metavar="NAME",
        envvar="EVENTSOURCE_NOTARY_NAME",
        show_envvar=True,
        help="What the store is called in the ledger, for ever.",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="The signing key; made when it is not there. Heads are signed with it."),
]
ExistingKeyFile = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", exists=True, dir_okay=False, help="The key that signs the head."),
]
_NAME = "events"


@app.callback(invoke_without_command=True)
def notary(context: typer.Context) -> None:
    """
    What stands before any of these commands.
    """
    show_help_if_alone(context)


@app.command(epilog=EXIT_CODES_HELP)
def run(
    store: StoreUrl,
    ledger: LedgerUrl,
    *,
    book: BookPath = None,
    name: StoreName = _NAME,
    key: KeyFile = None,
    head: Annotated[
        Path | None,
        typer.Option("--head", metavar="FILE", help="Keep the last head there: where the store's owner cannot write."),
    ] = None,
    origin: Annotated[
        str | None, typer.Option("--origin", metavar="NAME", help="What heads of a new log are to be known by.")
    ] = None,
    ca: CertificateAuthority = None,
    server_key: ServerKey = None,
    trust: TrustFile = None,
    first_contact: FirstContact = False,
    once: Annotated[bool, typer.Option("--once", help="End when everything there is is notarised.")] = False,
    json: Json = False,
) -> int:
    """
    Notarise every event, those there are and each new one, until Ctrl-C.

    It goes on where it was, however it ended. While the ledger does not answer it waits, and says so; where the ledger
    does not let it in, for want of a password, a database or a certificate that is right, it ends with exit code 3;
    where it finds that store or ledger were tampered with, with exit code 1. With --json each change of state is a
    line on standard output.
    """
    signing = signing_key(key, name)
    if signing and not json:
        write_error(f"Heads are signed with {signing.verifying}")
    choice = LedgerChoice(ledger, ca, server_key, trust, first_contact)

    async def work() -> ExitCode:
        async with (
            connect(store, read_only=True) as opened,
            NotaryBook(book_path(book, ledger)) as its_book,
            await choice.find(its_book, name, origin=origin) as chosen,
        ):
            running = Notary(opened, chosen, its_book, name=name, signing_key=signing, head_file=head)
            return await follow(running, once=once, as_json=json)

    return run_async(work())


@app.command(epilog=EXIT_CODES_HELP)
def status(
    store: StoreUrl,
    ledger: LedgerUrl,
    *,
    book: BookPath = None,
    name: StoreName = _NAME,
    ca: CertificateAuthority = None,
    server_key: ServerKey = None,
    trust: TrustFile = None,
    first_contact: FirstContact = False,
    json: Json = False,
) -> int:
    """
    Show how far the notarisation is. Changes nothing, and works beside a notary that runs.
    """
    choice = LedgerChoice(ledger, ca, server_key, trust, first_contact)

    async def work() -> ExitCode:
        async with (
            connect(store, read_only=True) as opened,
            book_if_known(book) as its_book,
            await choice.find(its_book, name, read_only=True) as chosen,
        ):
            print_status(await read_status(opened, chosen, name), as_json=json)
        return ExitCode.DONE

    return run_async(work())


@app.command("verify", epilog=EXIT_CODES_HELP)
def verify_(
    store: StoreUrl,
    ledger: LedgerUrl,
    *,
    book: BookPath = None,
    name: StoreName = _NAME,
    head: Annotated[
        list[Path] | None,
        typer.Option("--head", metavar="FILE", help="A head that was kept elsewhere; may be given several times."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="KEY", help="Whose signature counts, as NAME+ID+BASE64; several times."),
    ] = None,
    without_book: Annotated[
        bool, typer.Option("--without-book", help="Compare ids and order alone: for who must not have the book.")
    ] = False,
    ca: CertificateAuthority = None,
    server_key: ServerKey = None,
    trust: TrustFile = None,
    first_contact: FirstContact = False,
    json: Json = False,
) -> int:
    """
    Compare store, ledger and heads, and name what is wrong.

    Exits with 0 when all is as it was notarised, with 1 when something was edited, deleted, inserted, reordered,
    truncated, rolled back or forked. Without a head that was kept elsewhere, a ledger that was written anew from its
    beginning is not noticed.
    """
    heads, keys = read_heads(head or []), read_keys(key or [])
    choice = LedgerChoice(ledger, ca, server_key, trust, first_contact)

    async def work() -> VerifyResult:
        async with (
            connect(store, read_only=True) as opened,
            nullcontext() if without_book else NotaryBook(book_path(book, ledger), read_only=True) as its_book,
            await choice.find(its_book, name, heads=heads, read_only=True) as chosen,
        ):
            verdict = await verify(opened, chosen, its_book, name=name, heads=heads, keys=keys)
        return VerifyResult.of(verdict, has_heads=bool(heads))

    result = run_async(work())
    if json:
        write_json(result)
    else:
        print_findings(result)
    return ExitCode.DONE if result.intact else ExitCode.FAILED


@app.command(epilog=EXIT_CODES_HELP)
def export(
    ledger: LedgerUrl,
    *,
    book: BookPath = None,
    name: StoreName = _NAME,
    key: ExistingKeyFile = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write it there in place of standard output.")
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option("--since", metavar="HEAD", help="Print what asks a witness to countersign, who last saw HEAD."),
    ] = None,
    ca: CertificateAuthority = None,
    server_key: ServerKey = None,
    trust: TrustFile = None,
    first_contact: FirstContact = False,
) -> int:
    """
    Print the ledger's head, signed, in the form that verify and other tools read: to be kept elsewhere.
    """
    signing = signing_key(key, name)
    before = read_heads([since])[0] if since else None
    choice = LedgerChoice(ledger, ca, server_key, trust, first_contact)

    async def work() -> str:
        async with (
            book_if_known(book) as its_book,
            await choice.find(its_book, name, read_only=True) as chosen,
        ):
            if before is None:
                standing = await find_standing(chosen, name)
                return str(make_head(await chosen.head(), name, standing, signing))
            if not isinstance(chosen, EmbeddedLedger):
                msg = "witnesses countersign heads of a Merkle log: --since needs a ledger sqlite:FILE"
                raise CommandError(msg)
            now, path = await chosen.consistency_path(before.head)
            head = make_head(now, name, await find_standing(chosen, name), signing)
            return to_witness_request(before.head.size, path, head)

    text = run_async(work())
    if output is None:
        # A signature is over the text as it is.
        write_lines(text.removesuffix("\n").split("\n"), as_they_are=not sys.stdout.isatty())
    elif before is None:
        write_file(output, str(SignedHead.parse(text)))
        write_error(f"{output}: {head_in_words(text)}")
    else:
        write_file(output, text)
    return ExitCode.DONE


@app.command(epilog=EXIT_CODES_HELP)
def receipt(
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="The event.")],
    store: StoreUrl,
    ledger: LedgerUrl,
    *,
    book: BookPath = None,
    name: StoreName = _NAME,
    key: ExistingKeyFile = None,
    without_data: Annotated[
        bool, typer.Option("--without-data", help="Show that there was such an event, and nothing of its data.")
    ] = False,
    ca: CertificateAuthority = None,
    server_key: ServerKey = None,
    trust: TrustFile = None,
    first_contact: FirstContact = False,
) -> int:
    """
    Print the receipt of an event, as JSON.

    Whoever gets it checks it offline with the file eventsource/notary/check_receipt.py, which needs nothing but Python,
    and the verifying key.
    """
    signing = signing_key(key, name)
    choice = LedgerChoice(ledger, ca, server_key, trust, first_contact)

    async def work() -> str:
        async with (
            connect(store, read_only=True) as opened,
            NotaryBook(book_path(book, ledger), read_only=True) as its_book,
            await choice.find(its_book, name, read_only=True) as chosen,
        ):
            made = await make_receipt(
                opened, chosen, its_book, event_id, name=name, signing_key=signing, with_data=not without_data
            )
        return made.model_dump_json(indent=1)

    write_lines(run_async(work()).split("\n"))
    return ExitCode.DONE
