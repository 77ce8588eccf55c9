import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.init_data import MAX_AGE, InitData, InitDataError, verified
from tests.servers.telegram import TOKEN

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
USER = json.dumps({"id": 1001, "first_name": "An “Bé”", "language_code": "vi"}, ensure_ascii=False)


def signature(fields: dict[str, str], token: str = TOKEN) -> str:
    """Return the hash as Telegram's documentation describes it."""
    lines = "\n".join(sorted(f"{name}={value}" for name, value in fields.items()))
    secret = hmac.new(b"WebAppData", token.encode(), hashlib.sha256)
    return hmac.new(secret.digest(), lines.encode(), hashlib.sha256).hexdigest()


def fields_of(*, at: datetime = NOW, **more: str) -> dict[str, str]:
    usual = {"query_id": "AAHdF6IQAAAAAN0XohDhrOrc", "user": USER, "auth_date": str(int(at.timestamp()))}
    # Made with a key of Telegram's own, for others; it counts as any field.
    return usual | {"signature": "zL-ucjNyREiHDE8aihFwpfR9aggP2xiAo3NSpfe-p7IbCisNlDK"} | more


def signed(fields: dict[str, str] | None = None, token: str = TOKEN) -> str:
    fields = fields_of() if fields is None else fields
    return urlencode(fields | {"hash": signature(fields, token)})


def reason(init_data: str, *, now: datetime = NOW, max_age: timedelta = MAX_AGE) -> str:
    with pytest.raises(InitDataError) as caught:
        verified(init_data, TOKEN, now=now, max_age=max_age)
    said = str(caught.value)
    assert "1001" not in said
    return said


def test_what_telegram_made_names_its_user() -> None:
    proved = verified(signed(), TOKEN, now=NOW)
    assert proved == InitData("1001", NOW, signature(fields_of()))


def test_a_known_example_is_accepted() -> None:
    # Worked out with openssl.
    hashed = "a0be7ffde3636f4b4bec5fa9889cc2e8ac311b403d634df681d301d62194a95a"
    init_data = f"auth_date=1700000000&query_id=abc&user=%7B%22id%22%3A42%7D&hash={hashed}"
    assert verified(init_data, "1:a", now=datetime.fromtimestamp(1700000000, UTC)).user_id == "42"


def test_order_and_spelling_of_the_query_do_not_make_another_proof() -> None:
    fields = fields_of()
    turned = "&".join(
        f"{name}={quote(value, safe='')}" for name, value in reversed([*fields.items(), ("hash", signature(fields))])
    )
    assert verified(turned, TOKEN, now=NOW) == verified(signed(), TOKEN, now=NOW)


@pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=59), timedelta(minutes=-4)])
def test_a_recent_proof_counts(age: timedelta) -> None:
    assert verified(signed(fields_of(at=NOW - age)), TOKEN, now=NOW).auth_at == NOW - age


def test_an_old_proof_and_one_from_the_future_do_not_count() -> None:
    assert reason(signed(fields_of(at=NOW - timedelta(minutes=61)))) == "too old"
    assert reason(signed(fields_of(at=NOW + timedelta(minutes=6)))) == "from the future"
    assert reason(signed(), max_age=timedelta(seconds=5), now=NOW + timedelta(seconds=6)) == "too old"


def test_a_proof_for_another_bot_does_not_count() -> None:
    assert reason(signed(token="999:other")) == "not made by Telegram for this bot"


@pytest.mark.parametrize("name", ["query_id", "user", "auth_date", "signature"])
def test_whatever_is_changed_is_noticed(name: str) -> None:
    fields = fields_of()
    right = signature(fields)
    changed = fields | {name: fields[name].replace("1", "2") + "x"}
    assert reason(urlencode(changed | {"hash": right})) == "not made by Telegram for this bot"
    less = {key: value for key, value in fields.items() if key != name}
    assert reason(urlencode(less | {"hash": right})) == "not made by Telegram for this bot"


@pytest.mark.parametrize("given_hash", ["", "0" * 64, "é", "\ud800"])
def test_without_the_right_hash_nothing_counts(given_hash: str) -> None:
    query = urlencode(fields_of()) + "&hash=" + quote(given_hash.encode("utf-8", "surrogatepass"))
    assert reason(query) in ("not made by Telegram for this bot", "not a query string")
    assert reason(urlencode(fields_of())) == "not made by Telegram for this bot"


def test_a_hash_in_capitals_is_not_ours() -> None:
    fields = fields_of()
    assert reason(urlencode(fields | {"hash": signature(fields).upper()})) == "not made by Telegram for this bot"


def test_a_field_that_stands_twice_is_refused() -> None:
    other = quote(json.dumps({"id": 2002}))
    assert reason(f"{signed()}&user={other}") == "a field stands twice"
    assert reason(f"hash=0&{signed()}") == "a field stands twice"


def test_fields_cannot_be_folded_into_one_another() -> None:
    fields = fields_of()
    right = signature(fields)
    folded = {"auth_date": fields["auth_date"] + "\nquery_id=" + fields["query_id"], "user": USER}
    folded |= {"signature": fields["signature"]}
    assert signature(folded) == right
    assert reason(urlencode(folded | {"hash": right})) == "a control character"


@pytest.mark.parametrize("init_data", ["", "x", "a=1&b", "%ff=1", "a=%ff", "&".join(f"a{n}=1" for n in range(100))])
def test_what_is_no_query_is_refused(init_data: str) -> None:
    assert reason(init_data) in ("not a query string", "not made by Telegram for this bot")


def test_what_is_too_long_is_not_even_read() -> None:
    assert reason(signed(fields_of(start_param="x" * 4096))) == "too long"


@pytest.mark.parametrize("at", ["", "yesterday", "-5", "1.5", "9" * 400, "²", "１２３"])
def test_a_proof_needs_its_time(at: str) -> None:
    assert reason(signed(fields_of(auth_date=at))) == "no time"


@pytest.mark.parametrize(
    "user",
    ["", "An", "[]", "null", "{}", '{"id": "1001"}', '{"id": true}', '{"id": 0}', '{"id": -5}', "%5B" + "[" * 800],
)
def test_a_proof_needs_its_user(user: str) -> None:
    assert reason(signed(fields_of(user=user))) == "no user"


@given(st.text(max_size=300))
def test_nothing_else_comes_of_anything(init_data: str) -> None:
    with pytest.raises(InitDataError):
        verified(init_data, TOKEN, now=NOW)
