"""
The documentation does what it says: its code runs, and prints what it shows.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import eventsource
from tests.docs.run_docs import Example, read_examples

ROOT = Path(__file__).parents[2]
PACKAGE = Path(eventsource.__file__).parent

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    if path.is_file() and "```python" in path.read_text(encoding="utf-8")
)
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("page", PAGES)
def test_page_does_what_it_shows(page: str, tmp_path: Path) -> None:
    """
    The Python blocks of a page run one after the other, as one program, and print what is shown.
    """
    result = _run("page", str(ROOT / page), directory=tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples_hold(module: str, tmp_path: Path) -> None:
    """
    The examples in a module's docstrings give what they show.
    """
    result = _run("module", module, directory=tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr


def test_page_that_prints_something_else_fails_with_the_difference(tmp_path: Path) -> None:
    """
    Output that differs from what the page shows is told with both.
    """
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")

    result = _run("page", str(page), directory=tmp_path)

    assert result.returncode == 1
    assert f"{page}:1 prints something else" in result.stderr
    assert result.stderr.endswith("-3\n+2\n")


def test_blocks_share_names_and_may_await(tmp_path: Path) -> None:
    """
    A block sees what those above it made, and `await` and `async with` stand at top level.
    """
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport asyncio\n\nlock = asyncio.Lock()\n```\n"
        "```python\nasync with lock:\n    await asyncio.sleep(0)\n    print(lock.locked(), object())\n```\n"
        "```text\nTrue <object object at ...>\n```\n"
    )

    result = _run("page", str(page), directory=tmp_path)

    assert result.returncode == 0, result.stderr


def test_text_belongs_to_the_code_it_directly_follows() -> None:
    """
    A text block is the output of the Python block just above it, and of no other.
    """
    page = (
        "```python\nprint(1)\n```\n\n```text\n1\n```\n"
        "```python\nx = 2\n```\nprose\n```text\nno output\n```\n"
        "```python not run: needs a server\nboom()\n```\n```text\nnor this\n```\n"
    )

    examples = read_examples(page)

    assert examples == [Example(1, "print(1)\n", "1\n"), Example(8, "x = 2\n", None)]


@pytest.mark.parametrize(
    "page",
    ["```python title=bank.py\n```\n", "```python not run:\n```\n", "- a list\n  ```python\n  ```\n"],
    ids=["other-word", "no-reason", "indented"],
)
def test_python_that_would_not_be_run_is_refused(page: str) -> None:
    """
    A Python block is run, or gives its reason; none is passed over in silence.
    """
    with pytest.raises(ValueError, match=r"line 1|indented"):
        read_examples(page)


def _run(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    # Pages may import the examples, which stand beside the tests.
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", str(Path(__file__).with_name("run_docs.py")), *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
