"""
Aggregates: state made by events, emitted or recorded.
"""

import copy

import attrs
import pytest

from eventsource import Aggregate, DeclarationError, Event, RecordedEvent, Subject, handles
from eventsource.errors import EventDecodingError, InvalidSubjectError, UnknownEventTypeError


class CartOpened(Event, type="io.example.test.domain.cart-opened"):
    """
    The first event.
    """

    owner: str


class ItemAdded(Event, type="io.example.test.domain.item-added"):
    """
    What happens most.
    """

    sku: str
    quantity: int


class ItemLost(Event, type="io.example.test.domain.item-lost"):
    """
    An event no cart handles.
    """


@attrs.define
class Totals:
    """
    A value that changes, and so cannot be hashed.
    """

    quantity: int = 0


class Cart(Aggregate, subject="/shops/berlin/carts/{id}"):
    """
    Has state of every kind.
    """

    owner: str = ""
    items: list[str] = []  # noqa: RUF012  what is under test: defaults are copied
    quantities: dict[str, int] = {}  # noqa: RUF012
    totals: Totals = Totals()
    unannotated = set[str]()  # noqa: RUF012

    def open(self, owner: str) -> None:
        """
        Open it.
        """
        self.emit(CartOpened(owner=owner))

    def add(self, sku: str, quantity: int) -> None:
        """
        Add an item.
        """
        if quantity < 1:
            msg = "nothing to add"
            raise ValueError(msg)
        self.emit(ItemAdded(sku=sku, quantity=quantity))

    @handles
    def _opened(self, event: CartOpened) -> None:
        self.owner = event.owner

    @handles
    def _added(self, event: ItemAdded) -> None:
        self.items.append(event.sku)
        self.quantities[event.sku] = self.quantities.get(event.sku, 0) + event.quantity
        self.totals.quantity += event.quantity
        self.unannotated.add(event.sku)


def recorded(*events: Event) -> list[RecordedEvent]:
    """
    What a store would give back.
    """
    return [
        RecordedEvent(
            number,
            f"e-{number}",
            number,
            "tests",
            "/shops/berlin/carts/1",
            event.event_type,
            event.to_data_json(),
            "",
            "",
        )
        for number, event in enumerate(events, start=1)
    ]


# --- State -----------------------------------------------------------------------------


def test_new_aggregate_has_its_defaults() -> None:
    """
    Without events there is an id, a subject, version 0 and the state of the class statement.
    """
    cart = Cart("1")

    assert (cart.id, cart.subject, cart.version, cart.last_event_id) == ("1", "/shops/berlin/carts/1", 0, None)
    assert isinstance(cart.subject, Subject)
    assert cart.pending_events == ()
    assert (cart.owner, cart.items, cart.totals) == ("", [], Totals())


def test_mutable_defaults_are_not_shared() -> None:
    """
    What one instance puts into its lists, sets, dictionaries and values is in no other one.
    """
    one, other = Cart("1"), Cart("2")

    one.add("apple", 3)

    assert (other.items, other.quantities, other.totals, other.unannotated) == ([], {}, Totals(), set())
    assert (Cart.items, Cart.quantities, Cart.totals, Cart.unannotated) == ([], {}, Totals(), set())


def test_inherited_mutable_defaults_are_not_shared() -> None:
    """
    The same is true of the state a base or a mixin declares.
    """

    class WithTags:
        tags: list[str] = []  # noqa: RUF012  what is under test

    class GiftCart(WithTags, Cart, subject="/gift-carts/{id}"):
        pass

    one, other = GiftCart("1"), GiftCart("2")

    one.tags.append("red")
    one.add("apple", 3)

    assert (other.tags, other.items) == ([], [])
    assert WithTags.tags == []


def test_default_of_a_subclass_counts() -> None:
    """
    A subclass may give an attribute another default, of another kind.
    """

    class Prefilled(Cart, subject="/prefilled/{id}"):
        items: list[str] = ["welcome gift"]  # noqa: RUF012  what is under test
        quantities = None  # type: ignore[assignment]  # not a dictionary any more

    cart = Prefilled("1")

    assert cart.items == ["welcome gift"]
    assert cart.quantities is None


def test_aggregate_prints_its_class_subject_and_version() -> None:
    """
    The text for debugging says which one it is, and nothing of its state.
    """
    cart = Cart("1")
    cart.fold(recorded(CartOpened(owner="Ada")))

    assert repr(cart) == "<Cart /shops/berlin/carts/1 version 1>"


def test_deep_copy_is_independent() -> None:
    """
    A copy emits for itself alone.
    """
    cart = Cart("1")
    cart.open("Ada")

    again = copy.deepcopy(cart)
    again.add("apple", 1)

    assert (cart.items, cart.pending_events) == ([], (CartOpened(owner="Ada"),))
    assert again.pending_events == (CartOpened(owner="Ada"), ItemAdded(sku="apple", quantity=1))


# --- Subjects --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "id", ["", "a/b", "/", ".", "..", "a\n", "a\0", "\ud800", "x" * 2000], ids=lambda id: ascii(id)[:12]
)
def test_id_must_be_one_segment(id: str) -> None:
    """
    An id that would lead elsewhere is refused.
    """
    with pytest.raises(InvalidSubjectError):
        Cart(id)


@pytest.mark.parametrize("id", ["42", "Müller", "a b", "{id}", "%2f", "..."])
def test_id_is_taken_as_it_is(id: str) -> None:
    """
    Any other id is one segment, unchanged.
    """
    assert Cart(id).subject == f"/shops/berlin/carts/{id}"
    assert Cart.subject_of(id) == Cart(id).subject


# --- Emitting --------------------------------------------------------------------------


def test_emitted_event_is_taken_into_the_state_and_pending() -> None:
    """
    The state changes at once, the version when the event is committed.
    """
    cart = Cart("1")

    cart.open("Ada")
    cart.add("apple", 3)

    assert (cart.owner, cart.quantities) == ("Ada", {"apple": 3})
    assert cart.pending_events == (CartOpened(owner="Ada"), ItemAdded(sku="apple", quantity=3))
    assert (cart.version, cart.last_event_id) == (0, None)


def test_refused_command_emits_nothing() -> None:
    """
    A command that raises before it emits leaves no trace.
    """
    cart = Cart("1")

    with pytest.raises(ValueError, match="nothing to add"):
        cart.add("apple", 0)

    assert cart.pending_events == ()
    assert cart.items == []


def test_emitting_what_nobody_handles_is_refused() -> None:
    """
    An event made beforehand and passed by name is checked when it is emitted.
    """

    class Leaky(Cart, subject="/leaky/{id}"):
        def lose(self) -> None:
            event = ItemLost()
            self.emit(event)

    cart = Leaky("1")

    with pytest.raises(DeclarationError, match="Leaky has no handler for ItemLost"):
        cart.lose()

    assert cart.pending_events == ()


def test_event_whose_handler_raises_is_not_pending() -> None:
    """
    Only what was taken into the state is committed.
    """

    class Fragile(Cart, subject="/fragile/{id}"):
        @handles
        def _added(self, event: ItemAdded) -> None:
            raise RuntimeError(event.sku)

    cart = Fragile("1")

    with pytest.raises(RuntimeError, match="apple"):
        cart.add("apple", 1)

    assert cart.pending_events == ()


def test_handler_sees_the_aggregate_before_its_event() -> None:
    """
    While a handler runs, the version counts the events before, and its own event is not pending yet.
    """
    seen: list[tuple[int, int]] = []

    class Watched(Cart, subject="/watched/{id}"):
        @handles
        def _added(self, event: ItemAdded) -> None:
            super()._added(event)
            seen.append((len(self.items), len(self.pending_events)))

    cart = Watched("1")
    cart.add("apple", 1)
    cart.add("pear", 1)

    assert seen == [(1, 0), (2, 1)]


def test_pending_events_cannot_be_changed_from_outside() -> None:
    """
    What is given out is a tuple of its own.
    """
    cart = Cart("1")
    cart.open("Ada")

    before = cart.pending_events
    cart.add("apple", 1)

    assert before == (CartOpened(owner="Ada"),)


# --- Folding ---------------------------------------------------------------------------


def test_folding_gives_the_state_emitting_gave() -> None:
    """
    Recorded events make the same state as the emitted ones did, with version and last event, and none is pending.
    """
    emitted = Cart("1")
    emitted.open("Ada")
    emitted.add("apple", 3)
    emitted.add("apple", 2)
    folded = Cart("1")

    folded.fold(recorded(*emitted.pending_events))

    assert (folded.owner, folded.items, folded.quantities) == (emitted.owner, emitted.items, emitted.quantities)
    assert (folded.version, folded.last_event_id, folded.pending_events) == (3, "e-3", ())


def test_folding_in_parts_is_folding_at_once() -> None:
    """
    Pages may be cut anywhere, empty ones included.
    """
    events = recorded(CartOpened(owner="Ada"), ItemAdded(sku="a", quantity=1), ItemAdded(sku="b", quantity=2))
    at_once, in_parts = Cart("1"), Cart("1")

    at_once.fold(events)
    for part in ([], events[:1], [], events[1:], []):
        in_parts.fold(part)

    assert vars(in_parts) == vars(at_once)


def test_event_of_unknown_type_stops_folding() -> None:
    """
    A type no handler takes is an error that names event, subject and aggregate; the state is not silently wrong.
    """
    cart = Cart("1")
    unknown = recorded(ItemLost())[0]

    with pytest.raises(UnknownEventTypeError) as excinfo:
        cart.fold([unknown])

    error = excinfo.value
    assert (error.event_type, error.event_id, error.subject) == (ItemLost.event_type, "e-1", "/shops/berlin/carts/1")
    assert error.reader == "aggregate Cart"
    assert cart.version == 0


def test_event_that_does_not_fit_reaches_no_handler() -> None:
    """
    A handler gets a whole event or none.
    """
    cart = Cart("1")
    damaged = recorded(ItemAdded(sku="a", quantity=1))[0]._replace(data_json='{"sku":"Ada Lovelace"}')

    with pytest.raises(EventDecodingError) as excinfo:
        cart.fold([damaged])

    assert excinfo.value.problems == ("quantity: Field required",)
    assert "Ada" not in str(excinfo.value)
    assert cart.items == []


def test_stored_members_without_a_field_are_ignored() -> None:
    """
    A newer writer's events can be folded.
    """
    cart = Cart("1")
    newer = recorded(CartOpened(owner="Ada"))[0]._replace(data_json='{"owner":"Ada","since":2020}')

    cart.fold([newer])

    assert cart.owner == "Ada"


def test_committed_events_count_as_the_version() -> None:
    """
    When its pending events are stored, the version grows by their number and none is pending.
    """
    cart = Cart("1")
    cart.open("Ada")
    cart.add("apple", 1)

    cart.mark_committed("e-2")

    assert (cart.version, cart.last_event_id, cart.pending_events) == (2, "e-2", ())


def test_event_class_declared_anew_is_still_handled() -> None:
    """
    After a notebook cell ran again, an aggregate made before takes the new class's events.
    """

    def run_cell() -> type[Event]:
        class Pinged(Event, type="io.example.test.domain.pinged"):
            pass

        return Pinged

    old = run_cell()

    class Probe(Aggregate, subject="/probes/{id}"):
        @handles
        def _pinged(self, event: old) -> None: ...  # type: ignore[valid-type]  # a class only known here

    probe = Probe("1")

    probe.emit(run_cell()())

    assert len(probe.pending_events) == 1


def test_what_a_copy_emits() -> None:
    """
    What a shallow copy of an aggregate emits is pending there, and not in the aggregate that it was made of.
    """
    cart = Cart("1")
    cart.emit(CartOpened(owner="Ada"))
    copied = copy.copy(cart)

    copied.emit(CartOpened(owner="Ada"))

    assert len(cart.pending_events) == 1
    assert len(copied.pending_events) == 2
