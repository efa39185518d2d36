"""
Subjects: which texts they are, and how they lie under each other.
"""

import copy
import itertools
import pickle
import re
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eventsource import EventSourceError, Subject
from eventsource.errors import InvalidSubjectError
from eventsource.events.subject import MAX_SUBJECT_BYTES, MAX_SUBJECT_SEGMENTS, prefix_below

# Few letters, so that subjects often share beginnings; those that mean something to SQL's LIKE, to URLs and to SQL.
TRICKY_SEGMENTS = st.text(st.sampled_from("aA_%*?'\"\\.é\u0301 "), min_size=1, max_size=3)
ANY_SEGMENTS = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=8)
SEGMENTS = (TRICKY_SEGMENTS | ANY_SEGMENTS).filter(lambda segment: segment not in {".", ".."})
SEGMENT_LISTS = st.lists(SEGMENTS, max_size=5)


def path_of(segments: list[str]) -> str:
    """
    The subject with these segments, as text.
    """
    return "/" + "/".join(segments)


@given(SEGMENT_LISTS)
def test_segments_are_the_parts_between_slashes(segments: list[str]) -> None:
    """
    A subject made of segments has those segments, and is the text it was made from.
    """
    subject = Subject(path_of(segments))

    assert subject.segments == tuple(segments)
    assert str(subject) == path_of(segments)


def test_exactly_what_the_grammar_describes_is_accepted() -> None:
    """
    Of all short texts over slashes, dots, a letter and a control character, those the grammar has are subjects.
    """
    grammar = re.compile(r"/|(/(?!\.{1,2}(/|$))[^/\n]+)+")
    texts = ["".join(letters) for length in range(7) for letters in itertools.product("/.a\n", repeat=length)]

    accepted = [text for text in texts if is_subject(text)]

    assert accepted == [text for text in texts if grammar.fullmatch(text)]


def is_subject(text: str) -> bool:
    """
    Whether a subject can be made of *text*.
    """
    try:
        Subject(text)
    except InvalidSubjectError:
        return False
    return True


@given(st.text(st.characters() | st.sampled_from("\ud800\udfff\0\x7f"), min_size=1).map("/accounts/{}".format))
def test_accepted_text_can_be_stored(text: str) -> None:
    """
    Whatever is accepted is valid UTF-8 without control characters.
    """
    assume(is_subject(text))

    stored = text.encode()

    assert Subject(stored.decode()) == text
    assert not re.search("[\0-\x1f\x7f-\x9f]", text)


@given(SEGMENT_LISTS, SEGMENT_LISTS)
def test_is_under_agrees_with_segments(above: list[str], below: list[str]) -> None:
    """
    A subject is under another exactly if its segments begin with the other's and go on.
    """
    ancestor, subject = Subject(path_of(above)), Subject(path_of(below))

    is_under = subject.is_under(ancestor)

    assert is_under == (len(below) > len(above) and below[: len(above)] == above)


def test_neighbours_with_similar_names_are_not_under_each_other() -> None:
    """
    Of all pairs of small subjects, exactly those whose segments go on are under each other, and selected by prefix.
    """
    lists = [segments for length in range(4) for segments in itertools.product(["a", "aa", "b"], repeat=length)]
    pairs = [(above, below) for above in lists for below in lists]
    is_longer = [len(below) > len(above) and below[: len(above)] == above for above, below in pairs]
    subjects = [(Subject(path_of([*above])), Subject(path_of([*below]))) for above, below in pairs]

    is_under = [subject.is_under(ancestor) for ancestor, subject in subjects]
    is_selected = [subject != ancestor and subject.startswith(prefix_below(ancestor)) for ancestor, subject in subjects]

    assert is_under == is_longer
    assert is_selected == is_longer


@given(SEGMENT_LISTS, SEGMENT_LISTS)
def test_prefix_below_selects_what_is_under(above: list[str], below: list[str]) -> None:
    """
    The prefix that stores search by selects exactly the subjects that lie under another.
    """
    ancestor, subject = Subject(path_of(above)), Subject(path_of(below))
    assume(subject != ancestor)

    selected = subject.startswith(prefix_below(ancestor))

    assert selected == subject.is_under(ancestor)


@given(SEGMENT_LISTS, SEGMENTS)
def test_child_is_one_level_below(segments: list[str], segment: str) -> None:
    """
    A child has its parent's segments and one more.
    """
    parent = Subject(path_of(segments))

    child = parent.child(segment)

    assert child.segments == (*segments, segment)
    assert child.is_under(parent)


@pytest.mark.parametrize("segment", ["", ".", "..", "a/b", "a\n"])
def test_child_must_be_one_segment(segment: str) -> None:
    """
    What is not one segment makes no child.
    """
    parent = Subject("/accounts")

    with pytest.raises(InvalidSubjectError):
        parent.child(segment)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "start with '/'"),
        ("accounts", "start with '/'"),
        ("/accounts/", "empty"),
        ("//accounts", "empty"),
        ("/accounts//42", "empty"),
        ("//", "empty"),
        ("/.", "'.'"),
        ("/accounts/../owners", "'..'"),
        ("/accounts/..", "'..'"),
        ("/a\0b", "U+0000"),
        ("/a\nb", "U+000A"),
        ("/a\x7fb", "U+007F"),
        ("/a\x9bb", "U+009B"),
        ("/a\ud800", "U+D800"),
        ("/" + "/".join("x" * (MAX_SUBJECT_SEGMENTS + 1)), "32 segments"),
        ("/" + "x" * MAX_SUBJECT_BYTES, "1024 bytes"),
        ("/" + "é" * (MAX_SUBJECT_BYTES // 2), "1024 bytes"),
    ],
    ids=ascii,
)
def test_text_that_is_no_subject_is_refused_with_reason(text: str, reason: str) -> None:
    """
    The error says what is wrong and carries the text.
    """
    with pytest.raises(InvalidSubjectError) as excinfo:
        Subject(text)

    assert reason in excinfo.value.reason
    assert excinfo.value.text == text


def test_what_is_no_text_is_refused() -> None:
    """
    An object that is no text is refused with the package's own error.
    """
    with pytest.raises(InvalidSubjectError) as excinfo:
        Subject(42)  # type: ignore[arg-type]  # the mistake under test

    assert "a subject is a text such as '/accounts/42', and this is a value of type int" in str(excinfo.value)


def test_refusal_is_a_value_error_of_this_package() -> None:
    """
    Those who know only ValueError catch it, and so do those who catch everything of this package.
    """
    with pytest.raises(ValueError, match="not a subject") as excinfo:
        Subject("accounts")

    assert isinstance(excinfo.value, EventSourceError)


@pytest.mark.parametrize(
    "text",
    [
        "/" + "/".join("x" * MAX_SUBJECT_SEGMENTS),
        "/" + "x" * (MAX_SUBJECT_BYTES - 1),
        "/a b",
        "/...",
        "/.a",
        "/%2e%2e",
        "/a_b%",
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_unusual_subjects_are_accepted(text: str) -> None:
    """
    The limits themselves are within them, and only whole '.' and '..' segments are special.
    """
    assert Subject(text) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/Accounts", "/accounts"),
        ("/caf\u00e9", "/cafe\u0301"),
        ("/a%2fb", "/a%2Fb"),
        ("/a", "/a\u200b"),
        ("/a_b", "/axb"),
    ],
    ids=ascii,
)
def test_subjects_that_look_alike_are_different(one: str, other: str) -> None:
    """
    Nothing is folded, normalised or decoded: two texts are two subjects, and neither is under the other.
    """
    first, second = Subject(one), Subject(other)

    assert first != second
    assert not first.is_under(second)
    assert not first.child("x").is_under(second)


def test_root_is_above_all_and_has_no_segments() -> None:
    """
    Every other subject is under ``/``, which is under nothing.
    """
    root = Subject("/")

    assert root.is_root
    assert root.segments == ()
    assert Subject("/accounts").is_under(root)
    assert not root.is_under(root)
    assert not Subject("/accounts").is_root


@pytest.mark.parametrize("sibling", ["/accounts2", "/accounts-old", "/accounts2/42", "/account", "/accounts"])
def test_subject_of_like_name_is_not_under(sibling: str) -> None:
    """
    Only what lies below is under a subject, whatever else begins with its text.
    """
    assert not Subject(sibling).is_under("/accounts")


def test_subject_is_its_text() -> None:
    """
    A subject compares, hashes and prints as its path.
    """
    subject = Subject("/accounts/42")

    assert subject == "/accounts/42"
    assert {subject: 1}["/accounts/42"] == 1  # type: ignore[index]  # the plain text finds it all the same
    assert f"{subject}" == "/accounts/42"


def test_subject_of_a_subject_is_itself() -> None:
    """
    Checking once is enough: a subject is not made again.
    """
    subject = Subject("/accounts/42")

    assert Subject(subject) is subject


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda subject: pickle.loads(pickle.dumps(subject))])  # noqa: S301  our own bytes
def test_copies_are_subjects_too(duplicate: Callable[[Subject], Subject]) -> None:
    """
    A copied or pickled subject is a subject.
    """
    subject = Subject("/accounts/42")

    again = duplicate(subject)

    assert again == subject
    assert type(again) is Subject
