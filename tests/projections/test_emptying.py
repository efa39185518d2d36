"""
Filling a read model anew deletes its rows and drops nothing: what others have put on its tables stays.
"""

from typing import Any

import pytest
from sqlalchemy import Column, Connection, ForeignKey, Integer, MetaData, String, Table, insert

from eventsource import EventStore, NewEvent, Projector, RecordedEvent, erase_subject, handles
from eventsource.errors import ReadModelInUseError
from eventsource.projections import rebuild
from eventsource.store import InMemoryEventStore
from tests.projections.numbers import Counted, Numbers, catch_up, count, projector_of, sql, table_of

ON_BOTH = {
    "view": ("CREATE VIEW report AS SELECT n FROM numbers", "SELECT n FROM report ORDER BY n", [0, 1, 2]),
    "index": (
        "CREATE INDEX by_n ON numbers (n)",
        "SELECT n FROM numbers ORDER BY n",
        [0, 1, 2],
    ),
}


@pytest.mark.parametrize("what", ON_BOTH)
async def test_what_hangs_on_a_table_survives(memory_store: EventStore, url: str, what: str) -> None:
    """
    A rebuild under a view or an index of others fills the table as before.
    """
    make, question, expected = ON_BOTH[what]
    await count(memory_store, 3)
    await catch_up(memory_store, url, Numbers())
    sql(url, make)

    await rebuild(Numbers(), memory_store, url)

    assert sql(url, question) == expected
    kind = "VIEW report" if what == "view" else "INDEX by_n"
    sql(url, f"DROP {kind}")


async def test_grants_triggers_and_policies_survive(memory_store: EventStore, postgres: Any) -> None:
    """
    Nothing that PostgreSQL keeps for a table goes with a rebuild.
    """
    await count(memory_store, 3)
    await catch_up(memory_store, postgres.url, Numbers())
    reader = f"reader_of_{postgres.name}"
    postgres.run(f"CREATE ROLE {reader}")
    postgres.run(f"GRANT SELECT ON numbers TO {reader}")
    postgres.run("CREATE TABLE noted (n integer)")
    postgres.run(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO noted VALUES (NEW.n); RETURN NEW; END $$"
    )
    postgres.run("CREATE TRIGGER noting AFTER INSERT ON numbers FOR EACH ROW EXECUTE FUNCTION note()")
    postgres.run("CREATE PUBLICATION told FOR TABLE numbers")
    postgres.run("ALTER TABLE numbers ENABLE ROW LEVEL SECURITY")
    postgres.run(f"CREATE POLICY all_of_it ON numbers TO {reader} USING (true)")

    await rebuild(Numbers(), memory_store, postgres.url)

    assert postgres.run("SELECT n FROM noted ORDER BY n") == [(0,), (1,), (2,)]
    assert postgres.run("SELECT count(*) FROM pg_publication_tables WHERE tablename = 'numbers'") == [(1,)]
    assert postgres.run("SELECT count(*) FROM pg_policy WHERE polname = 'all_of_it'") == [(1,)]
    with postgres.connect() as connection:
        connection.execute(f"SET ROLE {reader}")
        assert connection.execute("SELECT count(*) FROM numbers").fetchone() == (3,)
        connection.execute("RESET ROLE")
    postgres.run(f"DROP OWNED BY {reader}")
    postgres.run(f"DROP ROLE {reader}")


@pytest.mark.parametrize("rule", ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL"])
async def test_rows_of_others_that_refer_to_it_stay(memory_store: EventStore, url: str, rule: str) -> None:
    """
    Rows of another table that refer to it by a foreign key are neither deleted nor changed; the error names them.
    """
    await count(memory_store, 3)
    await catch_up(memory_store, url, Numbers())
    sql(url, f"CREATE TABLE orders (id integer, n integer REFERENCES numbers (n) ON DELETE {rule})")
    sql(url, "INSERT INTO orders VALUES (1, 2)")

    with pytest.raises(ReadModelInUseError, match="orders"):
        await rebuild(Numbers(), memory_store, url)

    assert sql(url, "SELECT n FROM numbers ORDER BY n") == [0, 1, 2]
    assert sql(url, "SELECT id, n FROM orders") == [(1, 2)]
    sql(url, "DELETE FROM orders")
    await rebuild(Numbers(), memory_store, url)
    assert sql(url, "SELECT n FROM numbers ORDER BY n") == [0, 1, 2]


async def test_rows_that_refer_to_each_other_are_deleted(memory_store: EventStore, url: str) -> None:
    """
    Foreign keys between the projector's own tables, in a ring and to themselves, are no hindrance in whatever order.
    """
    both = MetaData()
    child = Table(
        "a_child",
        both,
        Column("n", Integer, primary_key=True),
        Column("parent", ForeignKey("b_parent.n"), nullable=False),
        Column("before", ForeignKey("a_child.n")),
    )
    parent = Table("b_parent", both, Column("n", Integer, primary_key=True))

    class Family(Projector, name="family", subject="/counters", tables=[child, parent]):
        @handles
        def _counted(self, event: Counted, recorded: RecordedEvent, tx: Connection) -> None:  # noqa: ARG002  the form of a handler
            tx.execute(insert(parent).values(n=event.n))
            tx.execute(insert(child).values(n=event.n, parent=event.n, before=event.n - 1 if event.n else None))

    await count(memory_store, 3)
    assert await catch_up(memory_store, url, Family()) == []

    await rebuild(Family(), memory_store, url)

    assert sql(url, "SELECT n, parent, before FROM a_child ORDER BY n") == [(0, 0, None), (1, 1, 0), (2, 2, 1)]


async def test_a_ring_of_foreign_keys_is_deleted(memory_store: EventStore, url: str) -> None:
    """
    Two tables that refer to each other are emptied at once.
    """
    both = MetaData()
    left = Table(
        "ring_left",
        both,
        Column("n", Integer, primary_key=True),
        Column("other", ForeignKey("ring_right.n", use_alter=True, name="to_right")),
    )
    right = Table(
        "ring_right", both, Column("n", Integer, primary_key=True), Column("other", ForeignKey("ring_left.n"))
    )

    class Ring(Projector, name="ring", subject="/counters", tables=[left, right]):
        @handles
        def _counted(self, event: Counted, recorded: RecordedEvent, tx: Connection) -> None:  # noqa: ARG002  the form of a handler
            tx.execute(insert(left).values(n=event.n))
            tx.execute(insert(right).values(n=event.n, other=event.n))
            tx.execute(left.update().where(left.c.n == event.n).values(other=event.n))

    await count(memory_store, 3)
    assert await catch_up(memory_store, url, Ring()) == []

    await rebuild(Ring(), memory_store, url)

    assert sql(url, "SELECT n, other FROM ring_left ORDER BY n") == [(0, 0), (1, 1), (2, 2)]


async def test_numbers_that_the_database_gives_begin_again(memory_store: EventStore, url: str) -> None:
    """
    A rebuilt read model has the ids that it would have had in a new database.
    """
    counted = table_of("counted", Column("id", Integer, primary_key=True), Column("n", Integer))
    await count(memory_store, 3)
    await catch_up(memory_store, url, projector_of(counted))

    await rebuild(projector_of(counted), memory_store, url)

    assert sql(url, "SELECT id FROM counted ORDER BY id") == [1, 2, 3]


async def test_a_column_of_others_stays(memory_store: EventStore, url: str) -> None:
    """
    A column that the projector does not know is kept, empty.
    """
    await count(memory_store, 2)
    await catch_up(memory_store, url, Numbers())
    sql(url, "ALTER TABLE numbers ADD COLUMN remark text")
    sql(url, "UPDATE numbers SET remark = 'odd' WHERE n = 1")

    await rebuild(Numbers(), memory_store, url)

    assert sql(url, "SELECT n, remark FROM numbers ORDER BY n") == [(0, None), (1, None)]


async def test_a_new_column_is_added_under_a_view(memory_store: EventStore, url: str) -> None:
    """
    A rebuild adds the columns that a newer version declares, also one that is never null, and the view stays.
    """
    wider = table_of(
        "numbers",
        Column("n", Integer, primary_key=True),
        Column("doubled", Integer, nullable=False),
        Column("m", Integer),
    )
    await count(memory_store, 2)
    await catch_up(memory_store, url, Numbers())
    sql(url, "CREATE VIEW report AS SELECT n FROM numbers")

    await rebuild(
        projector_of(wider, version=2, row=lambda event: {"n": event.n, "doubled": 2 * event.n}), memory_store, url
    )

    assert sql(url, "SELECT n, doubled, m FROM numbers ORDER BY n") == [(0, 0, None), (1, 2, None)]
    assert sql(url, "SELECT n FROM report ORDER BY n") == [0, 1]


texts = table_of("numbers", Column("n", String(20), primary_key=True))


def as_text() -> Projector:
    """
    The numbers as text, as version 2.
    """
    return projector_of(texts, version=2, row=lambda event: {"n": f"number {event.n}"})


async def test_a_table_of_other_columns_is_made_anew_if_nothing_hangs_on_it(memory_store: EventStore, url: str) -> None:
    """
    A changed type is taken over by a rebuild.
    """
    await count(memory_store, 2)
    await catch_up(memory_store, url, Numbers())

    await rebuild(as_text(), memory_store, url)

    assert sql(url, "SELECT n FROM numbers ORDER BY n") == ["number 0", "number 1"]


HANGING = {
    "view": "CREATE VIEW report AS SELECT n FROM numbers",
    "index": "CREATE INDEX mine ON numbers (n)",
    "column": "ALTER TABLE numbers ADD COLUMN remark text",
    "foreign key": "CREATE TABLE orders (n integer REFERENCES numbers (n))",
}
HANGING_IN_POSTGRESQL = {
    "grant": "GRANT SELECT ON numbers TO PUBLIC",
    "grant of a column": "GRANT SELECT (n) ON numbers TO PUBLIC",
    "materialized view": "CREATE MATERIALIZED VIEW report AS SELECT n FROM numbers",
    "publication": "CREATE PUBLICATION told FOR TABLE numbers",
    "policy": "CREATE POLICY nothing ON numbers USING (false)",
    "rule": "CREATE RULE noted AS ON INSERT TO numbers DO ALSO NOTIFY numbers",
}


@pytest.mark.parametrize("what", HANGING)
async def test_a_table_that_others_use_is_not_made_anew(memory_store: EventStore, url: str, what: str) -> None:
    """
    Where a table would have to be dropped, and something of others with it, nothing is changed and the error names it.
    """
    await count(memory_store, 2)
    await catch_up(memory_store, url, Numbers())
    sql(url, HANGING[what])

    with pytest.raises(ReadModelInUseError, match=what):
        await rebuild(as_text(), memory_store, url)

    assert sql(url, "SELECT n FROM numbers ORDER BY n") == [0, 1]
    assert await catch_up(memory_store, url, Numbers()) == []


@pytest.mark.parametrize("what", HANGING_IN_POSTGRESQL)
async def test_a_table_that_others_use_in_postgresql_is_not_made_anew(
    memory_store: EventStore, postgres: Any, what: str
) -> None:
    """
    The same for what only PostgreSQL has.
    """
    await count(memory_store, 2)
    await catch_up(memory_store, postgres.url, Numbers())
    postgres.run(HANGING_IN_POSTGRESQL[what])

    with pytest.raises(ReadModelInUseError, match=what.split(maxsplit=1)[0]):
        await rebuild(as_text(), memory_store, postgres.url)

    assert sql(postgres.url, "SELECT n FROM numbers ORDER BY n") == [0, 1]


people = table_of("people", Column("name", String(50), primary_key=True))


async def test_an_erased_name_goes_from_under_a_view(url: str) -> None:
    """
    A read model that is filled again because data was erased does not keep the old rows, whatever hangs on its table.
    """
    from tests.erasure.people import PersonNamed  # noqa: PLC0415  only here

    class People(Projector, name="people", subject="/people", tables=[people]):
        @handles
        def _named(self, event: PersonNamed, recorded: RecordedEvent, tx: Connection) -> None:  # noqa: ARG002  the form of a handler
            tx.execute(insert(people).values(name=event.name))

    async with InMemoryEventStore() as store:
        for number, name in enumerate(("Ada", "Grace")):
            await store.commit([NewEvent.of(PersonNamed(name=name), subject=f"/people/{number}")])
        assert await catch_up(store, url, People()) == []
        sql(url, "CREATE VIEW guests AS SELECT name FROM people")
        await erase_subject(store, "/people/0")

        assert await catch_up(store, url, People()) == []
        assert await catch_up(store, url, People()) == []

    assert sql(url, "SELECT name FROM guests") == ["Grace"]


async def test_an_erased_name_that_cannot_go_is_told(url: str) -> None:
    """
    Where rows of others are in the way of emptying, each start fails by name, and the way out works.
    """
    from tests.erasure.people import PersonNamed  # noqa: PLC0415  only here

    class People(Projector, name="people", subject="/people", tables=[people]):
        @handles
        def _named(self, event: PersonNamed, recorded: RecordedEvent, tx: Connection) -> None:  # noqa: ARG002  the form of a handler
            tx.execute(insert(people).values(name=event.name))

    async with InMemoryEventStore() as store:
        await store.commit([NewEvent.of(PersonNamed(name="Ada"), subject="/people/0")])
        assert await catch_up(store, url, People()) == []
        sql(url, "CREATE TABLE badges (name varchar(50) REFERENCES people (name))")
        sql(url, "INSERT INTO badges VALUES ('Ada')")
        await erase_subject(store, "/people/0")

        for _ in range(2):
            (error,) = await catch_up(store, url, People())
            assert isinstance(error, ReadModelInUseError)
            assert "Ada" not in str(error)
        sql(url, "DELETE FROM badges")
        assert await catch_up(store, url, People()) == []

    assert sql(url, "SELECT name FROM people") == []
