"""
The specification, run against the reference evaluator.
"""

from __future__ import annotations

import pytest

from eventsource.gdbql import evaluate, is_true, parse, print_query
from tests.gdbql.case_files import Case, check_rows, check_truth, load_cases

CASES = load_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reference_gives_the_rows_of_the_case(case: Case) -> None:
    """
    The reference evaluator gives the rows, or the error, that the case states.
    """
    check_rows(case, lambda text, events: evaluate(parse(text), events))


@pytest.mark.parametrize("case", [case for case in CASES if case.truth is not None], ids=lambda case: case.name)
def test_reference_tells_the_truth_of_the_case(case: Case) -> None:
    """
    The reference evaluator decides the precondition as the case states.
    """
    check_truth(case, lambda text, events: is_true(parse(text), events))


@pytest.mark.parametrize("case", [case for case in CASES if case.error is None], ids=lambda case: case.name)
@pytest.mark.parametrize("dialect", ["modern", "classic"])
def test_query_of_the_case_survives_printing(case: Case, dialect: str) -> None:
    """
    Printed in either dialect and parsed again, the query is the same tree.
    """
    query = parse(case.query)

    printed = print_query(query, dialect=dialect)  # type: ignore[arg-type] # the two names parametrized above

    assert parse(printed) == query


def test_every_case_states_an_outcome_and_a_reason() -> None:
    """
    No case passes for lack of an expectation, and each says what it is about.
    """
    outcomes = {case.name: (case.rows, case.truth, case.error) for case in CASES if case.comment}

    silent = [case.name for case in CASES if outcomes.get(case.name, (None,) * 3) == (None,) * 3]

    assert not silent
    assert len({case.name for case in CASES}) == len(CASES)
