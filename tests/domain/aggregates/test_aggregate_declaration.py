"""
Aggregate classes: what is wrong with one is said when it is made, not when it is used.
"""

import functools
import sys
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import pytest

from eventsource import Aggregate, DeclarationError, Event, handles


class PageTurned(Event, type="io.example.test.domain.page-turned"):
    """
    An event the books below handle.
    """

    page: int = 0


class PageTorn(Event, type="io.example.test.domain.page-torn"):
    """
    An event they forget.
    """

    page: int = 0


class Book(Aggregate, abstract=True):
    """
    Handles one of the two.
    """

    page: int = 0

    @handles
    def _turned(self, event: PageTurned) -> None:
        self.page = event.page


# --- Handlers of emitted events --------------------------------------------------------


def test_emitted_event_without_handler_is_found() -> None:
    """
    The class is not made; the error names the method, the event, and the handler to write.
    """
    with pytest.raises(DeclarationError) as excinfo:

        class Novel(Book, subject="/novels/{id}"):
            def tear(self) -> None:
                self.emit(PageTorn())

    assert "Novel.tear emits PageTorn, which has no handler" in str(excinfo.value)
    assert "`event: PageTorn`" in str(excinfo.value)


def test_emitted_event_with_handler_is_fine() -> None:
    """
    Handled events may be emitted anywhere.
    """

    class Novel(Book, subject="/novels/{id}"):
        def turn(self) -> None:
            self.emit(PageTurned(page=1))

    novel = Novel("1")
    novel.turn()

    assert novel.page == 1


def test_event_class_local_to_a_function_is_found() -> None:
    """
    Classes made within a function are checked like those of a module.
    """

    class CoverLost(Event, type="io.example.test.domain.cover-lost"):
        pass

    with pytest.raises(DeclarationError, match=r"Novel\.lose emits CoverLost"):

        class Novel(Book, subject="/novels/{id}"):
            def lose(self) -> None:
                self.emit(CoverLost())


def in_condition(self: Book, page: int) -> None:
    """
    The second of two branches.
    """
    if page > 3:
        self.emit(PageTurned(page=page))
    elif page > 2:
        self.emit(PageTorn(page=page))


def in_loop(self: Book, pages: Iterable[int]) -> None:
    """
    A loop within a loop.
    """
    for page in pages:
        while page:
            self.emit(PageTorn(page=page))


def in_try(self: Book, page: int) -> None:
    """
    What is done about an error.
    """
    try:
        self.page = page
    except ValueError:
        self.emit(PageTorn(page=page))


def in_match(self: Book, page: int) -> None:
    """
    One of several cases.
    """
    match page:
        case 1:
            self.emit(PageTorn(page=page))
        case _:
            self.emit(PageTurned(page=page))


def in_comprehension(self: Book, pages: Iterable[int]) -> None:
    """
    A comprehension, which up to Python 3.11 is a function of its own.
    """
    [self.emit(PageTorn(page=page)) for page in pages]  # type: ignore[func-returns-value]  # bad style, still found


def in_lambda(self: Book) -> Callable[[], None]:
    """
    A function without a name.
    """
    return lambda: self.emit(PageTorn())


def in_function(self: Book) -> Callable[[], None]:
    """
    A function within.
    """

    def tear() -> None:
        self.emit(PageTorn())

    return tear


async def in_coroutine(self: Book) -> None:
    """
    An asynchronous method.
    """
    self.emit(PageTorn())


def named_otherwise(this: Book) -> None:
    """
    A method whose first parameter has another name.
    """
    this.emit(PageTorn())


def assigned(self: Book) -> Event:
    """
    The event gets a name on its way.
    """
    self.emit(event := PageTorn())
    return event


def after_another(self: Book, page: int) -> tuple[int, None]:
    """
    Newer Pythons load two variables at once here.
    """
    return page, self.emit(PageTorn(page=page))  # type: ignore[func-returns-value]  # bad style, still found


@pytest.mark.parametrize(
    "method",
    [
        in_condition,
        in_loop,
        in_try,
        in_match,
        in_comprehension,
        in_lambda,
        in_function,
        in_coroutine,
        named_otherwise,
        assigned,
        after_another,
    ],
)
def test_emit_within_other_statements_is_found(method: FunctionType) -> None:
    """
    It does not matter where in a method an event is emitted.
    """
    with pytest.raises(DeclarationError, match=f"{method.__name__} emits PageTorn"):
        type("Novel", (Book,), {method.__name__: method}, subject="/novels/{id}")


def test_emit_within_a_decorated_method_is_found() -> None:
    """
    A decorator made with `functools.wraps` hides nothing.
    """

    def logged(method: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(method)
        def call(self: Book) -> None:
            method(self)

        return call

    with pytest.raises(DeclarationError, match=r"Novel\.tear emits PageTorn"):

        class Novel(Book, subject="/novels/{id}"):
            @logged
            def tear(self) -> None:
                self.emit(PageTorn())


def test_event_class_with_a_dotted_name_is_found() -> None:
    """
    The class may be reached through a module, or stand inside the aggregate.
    """
    this_module = sys.modules[__name__]

    with pytest.raises(DeclarationError, match=r"Novel\.tear emits PageTorn"):

        class Novel(Book, subject="/novels/{id}"):
            def tear(self) -> None:
                self.emit(this_module.PageTorn())

    with pytest.raises(DeclarationError, match=r"Poem\.burn emits Burnt"):

        class Poem(Book, subject="/poems/{id}"):
            class Burnt(Event, type="io.example.test.domain.poem-burnt"):
                pass

            def burn(self) -> None:
                self.emit(self.Burnt())


def test_event_made_by_a_class_method_is_found() -> None:
    """
    The class is seen where another of its methods makes the event.
    """
    with pytest.raises(DeclarationError, match=r"Novel\.tear emits PageTorn"):

        class Novel(Book, subject="/novels/{id}"):
            def tear(self) -> None:
                self.emit(PageTorn.model_construct(page=1))


def test_method_inherited_from_an_abstract_base_is_checked() -> None:
    """
    What an abstract base emits is to be handled by each class made from it.
    """

    class Tearable(Book, abstract=True):
        def tear(self) -> None:
            self.emit(PageTorn())

    with pytest.raises(DeclarationError, match=r"Novel\.tear emits PageTorn"):

        class Novel(Tearable, subject="/novels/{id}"):
            pass

    class Repairable(Tearable, subject="/repairable/{id}"):
        @handles
        def _torn(self, event: PageTorn) -> None:
            self.page = event.page

    assert Repairable.subject_of("1") == "/repairable/1"


def test_overriding_a_handler_without_the_decorator_is_found() -> None:
    """
    A subclass that loses a handler its inherited methods need is not made.
    """

    class Novel(Book, subject="/novels/{id}"):
        def turn(self) -> None:
            self.emit(PageTurned())

    with pytest.raises(DeclarationError, match=r"Trilogy\.turn emits PageTurned"):

        class Trilogy(Novel, subject="/trilogies/{id}"):
            def _turned(self, event: PageTurned) -> None: ...


def test_what_another_object_emits_is_not_our_business() -> None:
    """
    Only events passed to the aggregate's own `emit` are looked at.
    """

    class Bell:
        def emit(self, event: Event) -> None: ...

    class Novel(Book, subject="/novels/{id}"):
        def ring(self, bell: Bell) -> None:
            bell.emit(PageTorn())

    novel = Novel("1")
    novel.ring(Bell())

    assert novel.pending_events == ()


def test_local_class_may_name_itself() -> None:
    """
    A method may use the name of its own class, which is not bound yet while the class is made.
    """

    class Novel(Book, subject="/novels/{id}"):
        def sequel(self) -> "Novel":
            return Novel(f"{self.id}-2")

        def turn(self) -> None:
            self.emit(PageTurned(page=Novel.page + 1))

    novel = Novel("1").sequel()
    novel.turn()

    assert (novel.id, novel.page) == ("1-2", 1)


# --- Subjects and names ----------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [
        "/novels",
        "/novels/{id}/{id}",
        "/novels/{id}x",
        "/novels/x{id}",
        "/novels/{name}",
        "/novels/{id}/{name}",
        "/novels/{}",
        "/novels/{id}/{",
        "novels/{id}",
        "/novels/{id}/",
        "/novels//{id}",
        "/novels/../{id}",
        "{id}",
    ],
)
def test_subject_needs_exactly_one_id_segment(template: str) -> None:
    """
    A subject that is none, or without exactly one ``{id}`` segment, is refused.
    """
    with pytest.raises(DeclarationError, match="Novel"):

        class Novel(Book, subject=template):
            pass


@pytest.mark.parametrize("template", ["/{id}", "/novels/{id}", "/novels/{id}/drafts", "/a b/{id}"])
def test_id_may_be_any_segment(template: str) -> None:
    """
    The id stands wherever the subject wants it.
    """

    class Novel(Book, subject=template):
        pass

    assert Novel.subject_of("7") == template.replace("{id}", "7")


def test_missing_subject_is_refused() -> None:
    """
    Without a subject nobody knows where the events are; the error shows how to write one.
    """
    with pytest.raises(DeclarationError, match=r"has no subject: write class Novel\(Aggregate, subject="):

        class Novel(Book):
            pass


def test_subject_is_inherited() -> None:
    """
    A subclass of a concrete aggregate reads the same events unless it names a subject.
    """

    class Novel(Book, subject="/novels/{id}"):
        pass

    class Thriller(Novel):
        pass

    assert Thriller.subject_of("1") == Novel.subject_of("1")


@pytest.mark.parametrize(
    "name", ["id", "subject", "version", "emit", "fold", "pending_events", "last_event_id", "_pending", "_version"]
)
def test_state_cannot_take_a_name_in_use(name: str) -> None:
    """
    An attribute that would hide what `Aggregate` itself uses is refused, with a default or only annotated.
    """
    with pytest.raises(DeclarationError, match=f"'{name}', which Aggregate itself uses"):
        type("Novel", (Book,), {name: 1}, subject="/novels/{id}")
    with pytest.raises(DeclarationError, match=f"'{name}', which Aggregate itself uses"):
        type("Novel", (Book,), {"__annotations__": {name: int}}, subject="/novels/{id}")


def test_mixin_cannot_take_a_name_in_use() -> None:
    """
    A base that is no aggregate hides nothing either.
    """

    class Numbered:
        version = 7

    with pytest.raises(DeclarationError, match="'version', which Aggregate itself uses"):

        class Novel(Numbered, Book, subject="/novels/{id}"):
            pass
