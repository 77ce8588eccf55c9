import errno
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embeddings.cache import CacheError, differences, refresh
from embeddings.index import VectorIndex

SOURCES = {"documents": "abc", "encoder": "hashing-1"}


def writing(text: str) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        (folder / "file.txt").write_text(text, encoding="utf-8")

    return build


def held(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.name != "manifest.json"}


def test_fresh_build_is_current_for_its_sources_only(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "index"
    assert differences(folder, SOURCES) == ["documents", "encoder"]
    refresh(folder, SOURCES, writing("một"))
    assert held(folder) == {"file.txt": "một"}
    assert differences(folder, SOURCES) == []


def test_differences_name_what_changed(tmp_path: Path) -> None:
    refresh(tmp_path / "index", SOURCES, writing("một"))
    assert differences(tmp_path / "index", SOURCES) == []
    assert differences(tmp_path / "index", {**SOURCES, "encoder": "other"}) == ["encoder"]
    assert differences(tmp_path / "index", {**SOURCES, "words": "new"}) == ["words"]
    assert differences(tmp_path / "nowhere", SOURCES) == ["documents", "encoder"]


def test_new_build_replaces_all_of_the_old_one(tmp_path: Path) -> None:
    refresh(tmp_path / "index", SOURCES, writing("một"))
    (tmp_path / "index" / "left-over.txt").write_text("cũ", encoding="utf-8")
    refresh(tmp_path / "index", SOURCES, writing("hai"))
    assert held(tmp_path / "index") == {"file.txt": "hai"}
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_old_folder_stands_while_the_new_one_is_built(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    refresh(folder, SOURCES, writing("một"))
    seen: list[dict[str, str]] = []

    def build(fresh: Path) -> None:
        assert list(fresh.iterdir()) == []
        (fresh / "file.txt").write_text("hai", encoding="utf-8")
        seen.append(held(folder))

    refresh(folder, SOURCES, build)
    assert seen == [{"file.txt": "một"}]


@pytest.mark.parametrize(
    ("error", "raised"), [(OSError(errno.ENOSPC, "No space left on device"), CacheError), (KeyError("x"), KeyError)]
)
def test_build_that_fails_leaves_the_old_folder_and_nothing_beside_it(
    tmp_path: Path, error: Exception, raised: type[Exception]
) -> None:
    folder = tmp_path / "index"
    refresh(folder, SOURCES, writing("một"))

    def build(fresh: Path) -> None:
        writing("nửa")(fresh)
        raise error

    with pytest.raises(raised):
        refresh(folder, {"documents": "new"}, build)
    assert held(folder) == {"file.txt": "một"}
    assert differences(folder, SOURCES) == []
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_full_disk_is_told_with_the_folder_and_what_to_check(tmp_path: Path) -> None:
    def build(fresh: Path) -> None:
        writing("nửa")(fresh)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CacheError, match=r"index: cannot be written \(No space left on device\): check disk space"):
        refresh(tmp_path / "index", SOURCES, build)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_full_disk_under_faiss_is_a_cache_error(tmp_path: Path) -> None:
    vectors = VectorIndex.build(np.zeros((2000, 512), dtype=np.float32))
    with pytest.raises(CacheError):
        refresh(tmp_path / "index", SOURCES, lambda _: vectors.save(Path("/dev/full")))


def test_folder_below_a_file_is_told_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("", encoding="utf-8")
    with pytest.raises(CacheError, match=r"data/index: cannot be written .*: check data_dir"):
        refresh(tmp_path / "data" / "index", SOURCES, writing("một"))


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b""], ids=["broken", "no object", "not UTF-8", "empty"])
def test_manifest_that_cannot_be_read_means_build_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    folder = tmp_path / "index"
    refresh(folder, SOURCES, writing("một"))
    (folder / "manifest.json").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert differences(folder, SOURCES) == ["documents", "encoder"]
    refresh(folder, SOURCES, writing("hai"))
    assert differences(folder, SOURCES) == []
