from pathlib import Path

import pytest

from tests.programs import Programs
from tests.transcripts.replay import FOLDER, Turn, read, replay

PATHS = sorted(FOLDER.glob("*.txt"))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, started: Programs) -> dict[Path, list[Turn]]:
    return replay(PATHS, tmp_path_factory.mktemp("data"), started)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_conversation_goes_as_written(path: Path, played: dict[Path, list[Turn]]) -> None:
    written = read(path)
    assert written, f"{path.name} holds no turns"
    for expected, actual in zip(written, played[path], strict=True):
        assert [line.rstrip() for line in actual.answered] == list(expected.answered), f"after “{expected.said}”"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_no_message_offers_more_than_three_choices(path: Path, played: dict[Path, list[Turn]]) -> None:
    for turn in played[path]:
        assert not any(line.startswith("[4]") for line in turn.answered)
