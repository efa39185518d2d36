"""
Aggregate classes: what is wrong with one is said when it is made, not when it is used.
"""

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


def test_event_without_handler_is_refused_when_it_is_emitted() -> None:
    """
    Nothing is changed; the error names the class, the event, and the handler to write.
    """

    class Novel(Book, subject="/novels/{id}"):
        def tear(self) -> None:
            self.emit(PageTorn())

    novel = Novel("1")
    with pytest.raises(DeclarationError) as excinfo:
        novel.tear()

    assert "Novel has no handler for PageTorn" in str(excinfo.value)
    assert "`event: PageTorn`" in str(excinfo.value)
    assert (novel.page, novel.pending_events) == (0, ())


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


def test_a_class_may_emit_what_a_method_of_another_event_makes() -> None:
    """
    A class is made whatever the expressions by which its methods make their events.
    """

    class PageFound(Event, type="io.example.test.domain.page-found"):
        def turned(self) -> PageTurned:
            return PageTurned(page=7)

    class Novel(Book, subject="/novels/{id}"):
        def turn(self) -> None:
            self.emit(PageFound().turned())

    novel = Novel("1")
    novel.turn()

    assert novel.page == 7


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
