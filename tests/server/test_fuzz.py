"""
Schemathesis asks every endpoint what its description allows, and much that it does not.
"""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from eventsource.testing.contract.chance import rounds, seeded_random
from tests.server.serving import ADMINISTRATOR, serving

# Of an observed stream the end is not known.
_CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,ignored_auth,unsupported_method"
)


@pytest.mark.timeout(rounds(300, 7_200))
async def test_no_request_leads_to_an_error_of_the_server(tmp_path: Path) -> None:
    """
    Many requests, right and wrong ones: no status of 500 or more, and nothing that is not described.
    """
    seed = seeded_random().randrange(2**32)
    async with serving(metrics=True) as served:
        fuzzing = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{served.url}/openapi.json",
            f"--header=Authorization: Bearer {ADMINISTRATOR}",
            f"--checks={_CHECKS}",
            "--exclude-path=/api/v1/observe",
            f"--max-examples={rounds(10, 2_500)}",
            f"--seed={seed}",
            "--continue-on-failure",
            "--warnings=off",
            "--request-timeout=240",
            # It keeps what it has learnt where it runs.
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await fuzzing.communicate()
    text = said.decode(errors="replace")
    print(text)  # noqa: T201  for whoever reads the failure

    assert fuzzing.returncode == 0, f"seed {seed}"
    cases = re.search(r"([\d,]+) generated", text)
    assert cases is not None
    assert int(cases.group(1).replace(",", "")) >= rounds(300, 2_000)
