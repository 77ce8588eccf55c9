"""Members, rounds and responses for tests: only what a test names matters."""

import functools
import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import date

from assessment.loader import load_checklists
from assessment.model import (
    AssessmentRound,
    Checklist,
    Item,
    ItemAnswer,
    ItemGroup,
    Member,
    Response,
    Role,
)

_NUMBERS = iter(range(1, 1_000_000))


def a_member(*, name: str = "Nguyễn Văn An", cell_id: int = 10, roles: Collection[Role] = (Role.MEMBER,)) -> Member:
    return Member(next(_NUMBERS), cell_id, name, frozenset(roles))


def a_round(
    *, cell_id: int = 10, month: date = date(2026, 11, 1), due_on: date | None = None, grace_days: int = 0
) -> AssessmentRound:
    return AssessmentRound(
        next(_NUMBERS), cell_id, month, "37-qd-tw-2021", 1, month, due_on or month.replace(day=28), grace_days
    )


def a_response(
    *,
    member_id: int = 1,
    round_id: int = 1,
    answers: Mapping[int, ItemAnswer] | None = None,
    reported: Collection[int] = (),
    submitted: bool = True,
) -> Response:
    return Response(
        member_id,
        round_id,
        dict(answers or {}),
        frozenset(reported),
        submitted_on=date(2026, 11, 20) if submitted else None,
    )


def a_checklist(sizes: Sequence[int] = (2, 2)) -> Checklist:
    """With groups of so many items each, numbered through."""
    numbers = itertools.count(1)
    groups = [
        ItemGroup(
            group,
            f"Nhóm {group}",
            "Trong tháng, đồng chí có …?",
            tuple(
                Item(number, f"37-qd-tw-2021/dieu-{number}", f"Điều {number}", "Tôi có …?", ("Ví dụ.",))
                for number in itertools.islice(numbers, size)
            ),
        )
        for group, size in enumerate(sizes, start=1)
    ]
    return Checklist(
        id="37-qd-tw-2021",
        version=1,
        regulation="37-QĐ/TW",
        title="Những điều đảng viên không được làm",
        valid_from=date(2021, 10, 25),
        groups=tuple(groups),
        intro="",
        commitment="",
        answer_labels={ItemAnswer.NONE: "Không có biểu hiện"},
        free_text_warning="",
    )


@functools.cache
def known_checklists() -> tuple[Checklist, ...]:
    """The checklists that ship, read once."""
    return tuple(load_checklists())
