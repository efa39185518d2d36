"""
The indexes of the store in memory: where the events of a subject, a subtree, a type or a declared value are.

All of them hold positions in ascending order, so a page is a slice and a count is a length. They find
every event that is asked for, and some hold more: the reader still asks each event.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import attrs

from eventsource.gdbql import Comparison, Constant, Path, Under, conjuncts
from eventsource.gdbql.readers import row_reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventsource.events.event import RecordedEvent
    from eventsource.gdbql import Expression
    from eventsource.gdbql.readers import Reader
    from eventsource.store.paging import Selection

_SUBJECT: Final = Path(("subject",))
_TYPE: Final = Path(("type",))


@attrs.define(eq=False)
class _Node:
    """
    One subject of the hierarchy, whether or not it has events of its own.

    Attributes:
        own: Positions of the events of this subject.

        subtree: Positions of the events of this subject and of all below it.

        children: The next level, by segment.
    """

    own: list[int] = attrs.field(factory=list[int])
    subtree: list[int] = attrs.field(factory=list[int])
    children: dict[str, _Node] = attrs.field(factory=dict[str, Any])


@attrs.define(eq=False)
class _ValueIndex:
    """
    A declared index: the positions of the events of one type by the text at one path of their data.

    Other values than text are not in it: 1 and 1.0 are equal for a query, and no two keys here.
    """

    event_type: str
    path: Path
    positions: defaultdict[str, list[int]] = attrs.field(factory=lambda: defaultdict(list), init=False)
    _read: Reader = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._read = row_reader(self.path)

    @property
    def name(self) -> str:
        """
        The name that explanations use.
        """
        return f"{self.event_type} ({'.'.join(map(str, self.path.steps))})"

    def of(self, event: RecordedEvent) -> list[int] | None:
        """
        The positions among which that of *event* belongs; None if the index is not about it.
        """
        text = self._read({"data": event.data}) if event.type == self.event_type else None
        return self.positions[text] if isinstance(text, str) else None


class LogIndex:
    """
    Finds the positions of events without reading the log. Positions count from 1.
    """

    def __init__(self) -> None:
        self._root = _Node()
        self._nodes: dict[str, _Node] = {}
        self._types: dict[str, list[int]] = {}
        self._values: dict[tuple[str, Path], _ValueIndex] = {}

    def add(self, event: RecordedEvent) -> None:
        """
        Take in the event that the log has grown by.
        """
        node = self._nodes.get(event.subject)
        if node is None:
            node = self._nodes[event.subject] = self._make(event.subject)
        node.own.append(event.position)
        # The way down from the root is short: a subject has 32 segments at most.
        for ancestor in self._way_to(event.subject):
            ancestor.subtree.append(event.position)
        self._types.setdefault(event.type, []).append(event.position)
        for index in self._values.values():
            if (values := index.of(event)) is not None:
                values.append(event.position)

    def replace(self, old: RecordedEvent, new: RecordedEvent) -> None:
        """
        Take in *new* for *old*, the same event with other data.
        """
        for index in self._values.values():
            if (values := index.of(old)) is not None:
                values.remove(old.position)
            if (values := index.of(new)) is not None:
                insort(values, new.position)

    def declare(self, event_type: str, path: Path, events: Sequence[RecordedEvent]) -> None:
        """
        Index the events of a type by the text at a path of their data, beginning with those of the log.
        """
        index = _ValueIndex(event_type, path)
        for position in self._types.get(event_type, ()):
            if (values := index.of(events[position - 1])) is not None:
                values.append(position)
        # Last: callers in other threads may look for it at any moment.
        self._values[event_type, path] = index

    def drop(self, event_type: str, path: Path) -> None:
        """
        Remove a declared index.
        """
        self._values.pop((event_type, path), None)

    def version_of(self, subject: str) -> int:
        """
        Number of events of *subject* itself.
        """
        node = self._nodes.get(subject)
        return len(node.own) if node else 0

    def positions(self, selection: Selection) -> Sequence[int]:
        """
        Where the events of a subject or subtree are, whatever the bounds of *selection* are.
        """
        return self._under(selection.subject) if selection.recursive else self._at(selection.subject)

    def subjects(self, under: str) -> tuple[str, ...]:
        """
        The subjects that have events, at and below *under*, in the order of their characters.
        """
        node = self._find(under)
        return tuple(sorted(_walk(under.rstrip("/"), node))) if node else ()

    @property
    def subject_count(self) -> int:
        """
        Number of subjects that have events.
        """
        return len(self._nodes)

    @property
    def types(self) -> dict[str, list[int]]:
        """
        The event types that have events, with the positions of these.
        """
        return self._types

    def candidates(self, where: Expression | None) -> tuple[str, Sequence[int]] | None:
        """
        The fewest positions among which all events are that fulfil *where*, and the name of their index.

        None if no index can tell: then it can be every event.
        """
        parts = conjuncts(where)
        equal = dict(pair for pair in map(_equality, parts) if pair is not None)
        found: list[tuple[str, Sequence[int]]] = []
        for path, text in equal.items():
            if path == _SUBJECT:
                found.append(("subjects", self._at(text)))
            elif path == _TYPE:
                found.append(("types", self._types.get(text, ())))
            elif (index := self._values.get((equal.get(_TYPE, ""), path))) is not None:
                # A copy: erasing takes positions out.
                found.append((index.name, tuple(index.positions.get(text, ()))))
        for part in parts:
            match part:
                case Under(operand, Constant(str(subject))) if operand == _SUBJECT:
                    found.append(("subjects", self._under(subject.removesuffix("/") or "/")))
                case _:
                    pass
        return min(found, key=lambda named: len(named[1]), default=None)

    def serves(self, condition: Expression, index: str) -> bool:
        """
        Whether *condition* is one that the index of this name, which `candidates` chose, was asked for.
        """
        match condition:
            case Under(operand, Constant(str())):
                return index == "subjects" and operand == _SUBJECT
            case _:
                equal = _equality(condition)
        if equal is None:
            return False
        if index in {"subjects", "types"}:
            return equal[0] == (_SUBJECT if index == "subjects" else _TYPE)
        return any(own.name == index and equal[0] in {own.path, _TYPE} for own in self._values.values())

    def _at(self, subject: str) -> Sequence[int]:
        node = self._nodes.get(subject)
        return node.own if node else ()

    def _under(self, subject: str) -> Sequence[int]:
        node = self._find(subject)
        return node.subtree if node else ()

    def _find(self, subject: str) -> _Node | None:
        node = self._root
        for segment in _segments(subject):
            child = node.children.get(segment)
            if child is None:
                return None
            node = child
        return node

    def _make(self, subject: str) -> _Node:
        node = self._root
        for segment in _segments(subject):
            node = node.children.setdefault(segment, _Node())
        return node

    def _way_to(self, subject: str) -> Iterator[_Node]:
        node = self._root
        yield node
        for segment in _segments(subject):
            node = node.children[segment]
            yield node


def _segments(subject: str) -> list[str]:
    return subject.split("/")[1:] if subject != "/" else []


def _walk(subject: str, node: _Node) -> Iterator[str]:
    if node.own:
        yield subject or "/"
    for segment, child in node.children.items():
        yield from _walk(f"{subject}/{segment}", child)


def _equality(condition: Expression) -> tuple[Path, str] | None:
    match condition:
        case Comparison("==", Path() as path, Constant(str(text))) | Comparison(
            "==", Constant(str(text)), Path() as path
        ):
            return path, text
        case _:
            return None
