"""
Checking data against a JSON Schema; the only module that knows who does it.

Nothing outside a schema is ever fetched, neither from the network nor from files. Patterns are
matched in linear time; look-around and back-references, which would not allow that, are refused, and
so is a pattern that would be a large automaton, since each character costs as much as its states.
`DataValidator.effort` says what a check may cost, so that no data makes one run away. Formats are
checked where they are known: a date that is none breaks a schema that asks for one. Unknown formats
say nothing.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from eventsource.root_error import MissingExtraError, shortened
from eventsource.store.schema.effort import (
    MAX_EFFORT,
    MAX_PATTERN_BYTES,
    TOO_LARGE_AUTOMATON,
    TooMuchError,
    effort_of,
)
from eventsource.wire.errors import InvalidSchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import jsonschema_rs

_EXTRA: Final = "schemas"

_MAX_REASON: Final = 300
_PATTERN_REFUSED: Final = 'is not a "regex"'


def require_validation() -> None:
    """
    Make sure that schemas can be checked.

    Raises:
        MissingExtraError: What does it is not installed.
    """
    if find_spec("jsonschema_rs") is None:
        raise MissingExtraError(_EXTRA, purpose="checking events against schemas")


@attrs.frozen
class Problem:
    """
    Where data breaks a schema.

    Attributes:
        path: The place in the data, with only those names that the schema has.

        rule: The keyword of the schema.
    """

    path: str
    rule: str


class DataValidator:
    """
    A JSON Schema, ready to be used.

    Attributes:
        effort: What it may look at for each byte of data.

    Raises:
        InvalidSchemaError: It is none, or refers to something outside itself.
        MissingExtraError: See `require_validation`.
    """

    def __init__(self, event_type: str, schema: dict[str, Any]) -> None:
        require_validation()
        # Here, so that whoever uses no schemas needs it not.
        import jsonschema_rs  # noqa: PLC0415

        self._error_class = jsonschema_rs.ValidationError
        self._names = frozenset(_property_names(schema))
        reason = ""
        try:
            self._validator = jsonschema_rs.validator_for(
                schema,
                offline=True,
                validate_formats=True,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=MAX_PATTERN_BYTES),
            )
            self.effort = effort_of(schema, _fits)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            reason = str(error).partition("\n")[0][:_MAX_REASON]
            if _PATTERN_REFUSED in reason:
                reason = f"{shortened(reason)}, or it {TOO_LARGE_AUTOMATON}"
        except TooMuchError as error:
            reason = str(error)
        if not reason and self.effort > MAX_EFFORT:
            reason = f"to check it could take too long: its parts are looked at {self.effort} times for each byte"
        if reason:
            raise InvalidSchemaError(event_type, reason)

    def first_problem(self, data: object) -> Problem | None:
        """
        What of *data* breaks the schema; None if nothing does.
        """
        try:
            self._validator.validate(data)
        except self._error_class as error:
            # Its text quotes the data, so it goes no further.
            place = list(error.instance_path)
            rule = error.kind.name
            if rule == "required":
                place.append(cast("jsonschema_rs.ValidationErrorKind.Required", error.kind).property)
            return Problem(self._describe(place), rule)
        return None

    def _describe(self, place: Sequence[str | int]) -> str:
        steps = (
            f"[{step}]" if isinstance(step, int) else f".{step}" if step in self._names else ".…" for step in place
        )
        return "$" + "".join(steps)


def _fits(pattern: str, size: int) -> bool:
    import jsonschema_rs  # noqa: PLC0415  see above

    try:
        jsonschema_rs.validator_for(
            {"pattern": pattern}, offline=True, pattern_options=jsonschema_rs.RegexOptions(size_limit=size)
        )
    except ValueError:
        return False
    return True


def _property_names(schema: object) -> Iterator[str]:
    """
    What a schema calls the members of objects, anywhere in it.
    """
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            members = cast("dict[str, object]", part)
            if isinstance(properties := members.get("properties"), dict):
                yield from cast("dict[str, object]", properties)
            if isinstance(required := members.get("required"), list):
                yield from (name for name in cast("list[object]", required) if isinstance(name, str))
            waiting += members.values()
        elif isinstance(part, list):
            waiting += cast("list[object]", part)
