"""
Query text that is read again with other values.
"""

from __future__ import annotations

import pytest

from eventsource.errors import QuerySyntaxError
from eventsource.gdbql import parse
from eventsource.gdbql.prepared import read_query

SHAPES = [
    "STREAM e FROM events WHERE e.subject == '/a/{0}' AND e.data.email == '{1}' MAP COUNT() == {0}",
    "STREAM e FROM events WHERE e.time >= '2024-01-01T00:00:0{2}Z' MAP SUM(e.data.cents) + {0} <= {0}.5",
    "STREAM e FROM events WHERE e.data.n IN ({0}, {0}) OR e.data.n == -{0} ORDER BY e.data.n + {0} DESC LIMIT {0}",
    "STREAM e FROM events WHERE e.data.lines[{0}].n BETWEEN {0} AND {0} MAP {{ a: {0}, 'b{2}': e.data.x{2} }}",
    "STREAM e FROM events GROUP BY e.data.n + {0} HAVING COUNT() > {0} MAP e.data.n + {0}",
    "STREAM e FROM events // a '{0}\nWHERE e.data['n{0}'] == \"it's {1}\" MAP IF(e.data.n > {0}, 'x{1}', \"y'{1}\")",
    "STREAM e FROM events WHERE e.data.n == '{1}''{1}' MAP {0}",
    "STREAM e FROM events WHERE e.data.text LIKE '%\\'{1}' SKIP {0} LIMIT {0} MAP [ {0} , '{1}' ]",
]


@pytest.mark.parametrize("shape", SHAPES)
def test_text_with_other_values_reads_as_if_it_were_parsed(shape: str) -> None:
    """
    Whatever values follow one another in a shape, the tree is the parser's, or its error.
    """
    for number in (5, 7, 0, 12, 10**20, 5):
        text = shape.format(number, f"mark 777000000{number} %", number % 10)
        try:
            expected = parse(text)
        except QuerySyntaxError as error:
            expected_error = str(error)
            with pytest.raises(QuerySyntaxError) as excinfo:
                read_query(text)
            assert str(excinfo.value) == expected_error
        else:
            assert read_query(text) == expected


def test_value_that_does_not_fit_is_told_by_the_parser() -> None:
    """
    A time that is none is refused at its place, also in a text whose shape is known.
    """
    shape = "STREAM e FROM events WHERE e.time > '{}' MAP COUNT()"
    read_query(shape.format("2024-01-01T00:00:00Z"))

    with pytest.raises(QuerySyntaxError) as excinfo:
        read_query(shape.format("yesterday"))

    assert excinfo.value.column == 37
