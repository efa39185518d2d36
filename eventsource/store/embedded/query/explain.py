"""
How a query is answered, told part by part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsource.gdbql import print_expression
from eventsource.store.embedded.query.plan import Plan
from eventsource.store.embedded.query.run import QueryRun
from eventsource.store.query import ExplainedPart, Explanation, QueryLimits, Spending

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

    from eventsource.gdbql import Query
    from eventsource.store.embedded.query.access import Access

_ANY_LENGTH = QueryLimits(time_s=10.0)


def explain(connection: apsw.Connection, query: Query) -> Explanation:
    """
    How *query* would be answered now.
    """
    plan = Plan(query)
    spending = Spending(_ANY_LENGTH)
    run = QueryRun(plan, spending)
    run.connection = connection
    with spending:
        access = run.access()
    statement = run.statement(access)
    lines = connection.execute(f"EXPLAIN QUERY PLAN {statement.text}", statement.values).fetchall()
    return Explanation(tuple(_parts(plan, access)), tuple(str(line[-1]) for line in lines))


def _parts(plan: Plan, access: Access) -> Iterator[ExplainedPart]:
    query = plan.query
    alias = query.alias
    for condition in plan.conditions:
        text = print_expression(condition.expression, alias=alias)
        if condition.is_time and condition in access.served:
            yield ExplainedPart("WHERE", text, "search of the log")
        elif condition in access.served:
            yield ExplainedPart("WHERE", text, "index", access.index)
        else:
            yield ExplainedPart("WHERE", text, "row by row" if condition.sql is None else "SQL")
    if access.index is None and not query.is_grouped:
        yield ExplainedPart("FROM", "events", "order of the log")
    grouped = "row by row" if plan.groups is None else "SQL"
    for key in query.group_by:
        yield ExplainedPart("GROUP BY", print_expression(key, alias=alias), grouped)
    if query.having is not None:
        yield ExplainedPart("HAVING", print_expression(query.having, alias=alias), "group by group")
    for order in query.order_by:
        how = "sort" if plan.sorts or query.is_grouped else "order of the log"
        yield ExplainedPart(
            "ORDER BY", print_expression(order.expression, alias=alias) + " DESC" * order.descending, how
        )
    if query.limit is not None:
        how = "sort" if plan.sorts else "stops early" if plan.rows_wanted is not None else "row by row"
        yield ExplainedPart("LIMIT", str(query.limit), how)
    if query.projection is not None:
        how = grouped if query.is_grouped else "row by row"
        yield ExplainedPart("MAP", print_expression(query.projection, alias=alias), how)
