"""
How many schemas a store takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventsource import connect
from eventsource.errors import InvalidSchemaError
from eventsource.testing.contract.schemas import CUSTOMER

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("url", ["memory:", "sqlite:{}/store.db"])
async def test_the_number_of_schemas_is_bounded(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One more than the most is refused.
    """
    monkeypatch.setattr("eventsource.store.schema.registry.MAX_SCHEMAS", 2)
    async with connect(url.format(tmp_path)) as store:
        for number in range(2):
            await store.register_schema(f"io.example.{number}", CUSTOMER)

        with pytest.raises(InvalidSchemaError, match="2 schemas already"):
            await store.register_schema("io.example.2", CUSTOMER)
