"""
What is installed: what was pinned, by hashes, from the registry alone.

Known vulnerabilities need a network to look up: `make advisories` does that.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ["requirements.lock", "requirements-peers.lock"]

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?: *; *[^\\#]+)?")
_HASHES = re.compile(r"--hash=(\S+)")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def entries(lock: str) -> Iterator[str]:
    """
    The requirements of a lock file, each with its hashes on one line.
    """
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if (entry := line.partition(" #")[0].strip()) and not entry.startswith("#"):
            yield entry


@pytest.mark.parametrize("lock", [name for name in LOCKS if (ROOT / name).exists()])
def test_every_dependency_is_pinned_by_hashes(lock: str) -> None:
    """
    Each line of a lock file is one version of one package, with SHA-256 hashes: no address, no path, no other index.
    """
    found = list(entries(lock))

    assert found
    for entry in found:
        assert _PIN.fullmatch(entry.partition("--hash")[0].strip()), entry
        hashes = _HASHES.findall(entry)
        assert hashes, entry
        assert all(_SHA256.fullmatch(one) for one in hashes), entry


def test_the_lock_has_what_the_project_asks_for() -> None:
    """
    Each dependency of the package, its extras and its development is in the lock file, in a version that fits.
    """
    pins: dict[str, list[Version]] = {}
    for entry in entries("requirements.lock"):
        pin = _PIN.match(entry)
        assert pin
        pins.setdefault(canonicalize_name(pin["name"]), []).append(Version(pin["version"]))
    asked = [
        *PROJECT["project"]["dependencies"],
        *(each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra),
        *PROJECT["dependency-groups"]["dev"],
    ]
    for requirement in map(Requirement, asked):
        if requirement.name == PROJECT["project"]["name"]:
            continue
        versions = pins.get(canonicalize_name(requirement.name), [])
        assert versions, requirement
        assert all(requirement.specifier.contains(version, prereleases=True) for version in versions), requirement
