import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.vault import Sealed, Vault, VaultError, add_key, load_vault, new_key, parse_keys

KEYS = {"old": bytes(32), "new": bytes(range(32))}
LINE = f"k1 {base64.b64encode(bytes(32)).decode()}"


@given(text=st.text(), about=st.text())
def test_what_is_sealed_comes_back(text: str, about: str) -> None:
    vault = Vault(KEYS, "new")
    sealed = vault.seal(text, about=about)
    assert sealed.key_id == "new"
    assert vault.open(sealed, about=about) == text


def test_same_text_is_never_sealed_the_same_and_does_not_show() -> None:
    vault = Vault(KEYS, "new")
    first, second = (vault.seal("có biểu hiện", about="7:12").data for _ in range(2))
    assert first != second
    assert "có biểu hiện".encode() not in first


def test_value_belongs_to_its_place() -> None:
    vault = Vault(KEYS, "new")
    with pytest.raises(VaultError, match="'7:13' was changed or belongs to something else"):
        vault.open(vault.seal("present", about="7:12"), about="7:13")


@pytest.mark.parametrize("position", [0, 12, -1])
def test_changed_value_is_refused(position: int) -> None:
    vault = Vault(KEYS, "new")
    data = bytearray(vault.seal("present", about="7:12").data)
    data[position] ^= 1
    with pytest.raises(VaultError, match="was changed"):
        vault.open(Sealed("new", bytes(data)), about="7:12")


def test_value_cut_short_is_refused() -> None:
    with pytest.raises(VaultError, match="was changed"):
        Vault(KEYS, "new").open(Sealed("new", b"short"), about="")


def test_older_key_still_opens_and_a_lost_one_is_named() -> None:
    sealed = Vault(KEYS, "old").seal("none", about="1")
    assert Vault(KEYS, "new").open(sealed, about="1") == "none"
    with pytest.raises(VaultError, match="key 'old' is not in the ring: put it back"):
        Vault({"new": KEYS["new"]}, "new").open(sealed, about="1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no key"),
        ("# only a comment\n\n", "holds no key"),
        ("k1", "line 1: not 'ID BASE64'"),
        ("k1 %%%", "line 1: not 'ID BASE64'"),
        (f"{LINE}\n{LINE}", "line 2: key 'k1' is there twice"),
        ("k1 c2hvcnQ=", "key 'k1' has 5 bytes, not 32"),
    ],
)
def test_broken_ring_is_refused(text: str, message: str) -> None:
    with pytest.raises(VaultError, match=message):
        parse_keys(text, name="ring")


def test_no_message_holds_a_key() -> None:
    key = base64.b64encode(b"x" * 31).decode()
    with pytest.raises(VaultError) as caught:
        parse_keys(f"k1 {key}", name="ring")
    assert key not in str(caught.value)


def test_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ring"
    first = load_vault(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_vault(path).current == first.current
    assert load_vault(path).open(first.seal("x", about="1"), about="1") == "x"


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    load_vault(path)
    path.chmod(0o644)
    with pytest.raises(VaultError, match="chmod 600"):
        load_vault(path)


def test_new_key_seals_from_then_on_and_the_old_one_opens(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    before = load_vault(path)
    sealed = before.seal("x", about="1")
    add_key(path)
    after = load_vault(path)
    assert after.current != before.current
    assert after.open(sealed, about="1") == "x"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_ring_from_the_environment_needs_no_file(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    first, second = new_key(), new_key()
    vault = load_vault(path, given=f"{second};{first}")
    assert vault.current == second.split()[0]
    assert not path.exists()


def test_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(VaultError, match="cannot be used"):
        load_vault(tmp_path)


def test_digests_tell_the_same_text_with_any_key_of_the_ring() -> None:
    before, after = Vault(KEYS, "old"), Vault(KEYS, "new")
    assert set(before.digests("BCDF2345")) == set(after.digests("BCDF2345"))
    assert before.digests("BCDF2345")[0] != after.digests("BCDF2345")[0]
    assert set(before.digests("BCDF2346")).isdisjoint(before.digests("BCDF2345"))
