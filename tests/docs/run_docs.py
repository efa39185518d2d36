"""
Runs one page of the documentation, or the examples in one module's docstrings.

A program of its own, so that every page starts from nothing, as its reader does: event types are
declared once in a process, and many pages declare a deposit. CONTRIBUTING.md tells how a page is
written so that it can be run.

    python run_docs.py page docs/tutorial.md
    python run_docs.py module eventsource.events.subject
"""

import ast
import asyncio
import contextlib
import difflib
import doctest
import importlib
import inspect
import io
import re
import sys
import types
from pathlib import Path

import attrs

OPTIONS = doctest.ELLIPSIS

# A fence of three backticks, its info string, its text, and the fence that closes it.
FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^[ \t>]*```+python\b", re.MULTILINE)


@attrs.frozen
class Example:
    """
    One block of Python on a page, and what it must print: None if the page does not say.

    `line` is where its opening fence stands, counted from 1.
    """

    line: int
    code: str
    expected: str | None


def read_examples(page: str) -> list[Example]:
    """
    Find the Python blocks of *page* that are to be run, in order.

    Raises:
        ValueError: A Python block says something else than why it is not run, or is indented, so
            that it would be passed over.
    """
    examples: list[Example] = []
    unseen = len(PYTHON.findall(page))
    follows = 0  # Where the last example's fence ends, while no other block came between.
    for fence in FENCE.finditer(page):
        language, _, rest = fence["info"].strip().partition(" ")
        line = page.count("\n", 0, fence.start()) + 1
        unseen -= language == "python"
        if language == "python" and not rest:
            examples.append(Example(line, fence["text"], None))
            follows = fence.end()
        elif language == "python" and not re.fullmatch(r"not run: \S.*", rest):
            msg = f"line {line}: expected ```python or ```python not run: REASON"
            raise ValueError(msg)
        elif language == "text" and follows and not page[follows : fence.start()].strip():
            examples[-1] = attrs.evolve(examples[-1], expected=fence["text"])
            follows = 0
        else:
            follows = 0
    if unseen:
        msg = f"{unseen} Python blocks are indented or not closed"
        raise ValueError(msg)
    return examples


def run_page(path: Path) -> None:
    """
    Run the Python blocks of a page as one program, and compare what each prints with what is shown.

    Raises:
        SystemExit: A block prints something else; the message is the difference.
    """
    examples = read_examples(path.read_text(encoding="utf-8"))
    # Annotations are looked up in the module that a class says it comes from.
    program = sys.modules["__main__"] = types.ModuleType("__main__")
    with asyncio.Runner() as runner:
        for example in examples:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                _run_example(example, path, program, runner)
            if example.expected is not None:
                _check_output(printed.getvalue(), example.expected, f"{path}:{example.line}")


def _run_example(example: Example, path: Path, program: types.ModuleType, runner: asyncio.Runner) -> None:
    # The empty lines make a traceback's line numbers those of the page.
    source = "\n" * example.line + example.code
    code = compile(source, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        runner.run(eval(code, vars(program)))  # noqa: S307 - running the documentation is the point
    else:
        exec(code, vars(program))  # noqa: S102 - likewise


def _check_output(printed: str, expected: str, place: str) -> None:
    if not doctest.OutputChecker().check_output(expected, printed, OPTIONS):
        diff = difflib.unified_diff(expected.splitlines(), printed.splitlines(), "shown", "printed", lineterm="")
        sys.exit("\n".join([f"{place} prints something else", *diff]))


def run_module(name: str) -> None:
    """
    Run the examples in the docstrings of the module *name*.

    Raises:
        SystemExit: An example gives something else than it shows, or there is none.
    """
    result = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    if result.failed or not result.attempted:
        sys.exit(f"{name}: {result.failed} of {result.attempted} examples failed")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["page", path]:
            run_page(Path(path))
        case ["module", name]:
            run_module(name)
        case _:
            sys.exit(__doc__)
