import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from bot.__main__ import main
from bot.config import SECRETS, Config, ConfigError, load_config

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("TUSOI_"):
            monkeypatch.delenv(name)


def a_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path, environment: Mapping[str, str] | None = None) -> str:
    """Load; return the message, which must be one line."""
    with pytest.raises(ConfigError) as raised:
        load_config(path, {} if environment is None else environment)
    message = str(raised.value)
    assert "\n" not in message
    return message


def keys_of(values: Mapping[str, object], before: str = "") -> set[str]:
    keys = set[str]()
    for key, value in values.items():
        keys |= keys_of(value, f"{before}{key}.") if isinstance(value, dict) else {before + key}
    return keys


# --- Where values come from ---------------------------------------------------------------------------------------


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    config = load_config(a_file(tmp_path, ""), {})
    assert (config.web.host, config.web.port, config.web.enabled) == ("127.0.0.1", 8080, True)
    assert config.telegram.token is None
    assert config.admins == ()
    assert config.database_url == f"sqlite:///{tmp_path / 'data' / 'tu-soi.db'}"


def test_the_file_in_the_repository_spells_out_the_defaults_and_every_key_but_secrets() -> None:
    written = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    defaults = Config().model_dump(mode="json")
    for section, key in SECRETS:
        del defaults[section][key]
    assert Config.model_validate(written) == Config()
    assert keys_of(written) == keys_of(defaults)


def test_relative_paths_count_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    a_file(tmp_path, "data_dir: d\ndocuments: {folder: texts, incoming: ../in}")
    config = load_config(Path("../config.yaml"), {})
    assert config.data_dir == tmp_path / "d"
    assert config.documents.folder == tmp_path / "texts"
    assert config.documents.tray.resolve() == tmp_path.parent / "in"
    assert load_config(Path("../config.yaml"), {"TUSOI_DATA_DIR": "e"}).data_dir == tmp_path / "e"


def test_absolute_paths_stay_and_a_database_url_wins_over_the_data_folder(tmp_path: Path) -> None:
    config = load_config(a_file(tmp_path, "data_dir: /srv/tu-soi\ndatabase: {url: 'postgresql://h/x'}"), {})
    assert config.data_dir == Path("/srv/tu-soi")
    assert config.database_url == "postgresql://h/x"


def test_the_environment_wins_over_dotenv_which_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_file(tmp_path, "web: {port: 1001, host: file.example}\nlog: {level: ERROR}")
    assert load_config(path).web.port == 1001
    (tmp_path / ".env").write_text("TUSOI_WEB__PORT=1002\nTUSOI_WEB__HOST=dotenv.example\nOTHER=1\n", encoding="utf-8")
    assert load_config(path).web.port == 1002
    monkeypatch.setenv("TUSOI_WEB__PORT", "1003")
    config = load_config(path)
    assert (config.web.port, config.web.host, config.log.level) == (1003, "dotenv.example", "ERROR")


@pytest.mark.parametrize(
    ("name", "value", "key", "expected"),
    [
        ("TUSOI_DATABASE__URL", "sqlite:///x.db", "database.url", "sqlite:///x.db"),
        ("TUSOI_WEB__PORT", "9000", "web.port", 9000),
        ("TUSOI_WEB__ENABLED", "false", "web.enabled", False),
        ("TUSOI_WEB__HOST", "0.0.0.0", "web.host", "0.0.0.0"),
        ("TUSOI_WEB__HOST", "::1", "web.host", "::1"),
        ("TUSOI_ADMINS", "[telegram:12345, web:admin]", "admins", ("telegram:12345", "web:admin")),
        ("TUSOI_LOG__LEVEL", "DEBUG", "log.level", "DEBUG"),
        ("TUSOI_ENCODER__MODEL", "hub/mô-hình", "encoder.model", "hub/mô-hình"),
    ],
)
def test_any_key_can_come_from_the_environment(
    tmp_path: Path, name: str, value: str, key: str, expected: object
) -> None:
    found: object = load_config(a_file(tmp_path, ""), {name: value})
    for part in key.split("."):
        found = getattr(found, part)
    assert found == expected


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("TUSOI_ENCODER__QUERY_PROMPT", "query: ", "encoder.query_prompt"),
        ("TUSOI_ENCODER__PASSAGE_PROMPT", "passage: ", "encoder.passage_prompt"),
        ("TUSOI_WEB__HOST", "::", "web.host"),
        ("TUSOI_DATA_DIR", "2026", "data_dir.name"),
    ],
)
def test_a_text_from_the_environment_is_taken_as_it_is(tmp_path: Path, name: str, value: str, key: str) -> None:
    found: object = load_config(a_file(tmp_path, ""), {name: value})
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value


def test_variables_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    assert load_config(a_file(tmp_path, ""), {"PATH": "/bin", "MY_TUSOI_WEB__PORT": "x", "TUSO": "1"}) == load_config(
        a_file(tmp_path, ""), {}
    )


# --- Secrets ------------------------------------------------------------------------------------------------------


def test_the_token_comes_from_the_environment_or_dotenv_and_does_not_show(tmp_path: Path) -> None:
    path = a_file(tmp_path, "")
    (tmp_path / ".env").write_text("TUSOI_TELEGRAM__TOKEN=123:geheim\n", encoding="utf-8")
    for config in (load_config(path), load_config(path, {"TUSOI_TELEGRAM__TOKEN": "123:geheim"})):
        assert config.telegram.token is not None
        assert config.telegram.token.get_secret_value() == "123:geheim"
        assert "geheim" not in repr(config)
    assert load_config(path, {"TUSOI_TELEGRAM__TOKEN": ""}).telegram.token is None


def test_a_token_that_looks_like_a_number_stays_a_text(tmp_path: Path) -> None:
    token = load_config(a_file(tmp_path, ""), {"TUSOI_TELEGRAM__TOKEN": "0123"}).telegram.token
    assert token is not None
    assert token.get_secret_value() == "0123"


def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    message = refusal(a_file(tmp_path, "telegram: {token: '123:geheim'}"))
    assert "telegram.token" in message
    assert "TUSOI_TELEGRAM__TOKEN" in message
    assert "geheim" not in message


@pytest.mark.parametrize(
    ("content", "environment"),
    [
        ("", {"TUSOI_DATABASE": "postgresql+psycopg://u:geheim@h/x"}),
        ("", {"TUSOI_TELEGRAM": "123:geheim"}),
        ("database: postgresql+psycopg://u:geheim@h/x", {}),
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(
    tmp_path: Path, content: str, environment: Mapping[str, str]
) -> None:
    assert "geheim" not in refusal(a_file(tmp_path, content), environment)


# --- What is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("wbe: {port: 1}", ["'wbe'", "allowed: admins, assessment, data_dir, database, documents"]),
        ("web: {prot: 1}", ["'web.prot'", "allowed: address, enabled, host, port, secure_cookies"]),
        ("1: 2", ["'1'", "string"]),
        ("web: {port: eighty}", ["'web.port'", "integer", "'eighty'"]),
        ("web: {port: 80.5}", ["'web.port'", "integer", "80.5"]),
        ("web: {port: 65536}", ["'web.port'", "65535"]),
        ("web: {port: -1}", ["'web.port'", "0"]),
        ("web: {enabled: perhaps}", ["'web.enabled'", "boolean"]),
        ("web: 8080", ["'web'", "8080"]),
        ("log: {level: LOUD}", ["'log.level'", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"]),
        ("encoder: {batch_size: 0}", ["'encoder.batch_size'", "1"]),
        ("search: {candidates: 1001}", ["'search.candidates'", "1000"]),
        ("data_dir: [a]", ["'data_dir'", "path"]),
        ("admins: web:admin", ["'admins'", "tuple"]),
        ("admins: [Web 1]", ["'admins.0'", "'Web 1'"]),
        ("- web", ["key: value"]),
        ("web: [", ["line 1", "YAML"]),
        ("web:\n\tport: 1", ["line 2", "YAML"]),
        ("a: b: c", ["line 1", "YAML"]),
        ("x: !!python/object:os.system ls", ["line 1", "YAML"]),
        ("\0", ["YAML"]),
        (b"web: {host: \xff\xfe}", ["UTF-8"]),
        ("data_dir: dữ liệu".encode("utf-16"), ["UTF-8"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(tmp_path: Path, content: str | bytes, named: list[str]) -> None:
    path = a_file(tmp_path, content)
    message = refusal(path)
    assert message.startswith(str(path))
    assert [words for words in named if words not in message] == [], message


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("TUSOI_WEB__PROT", "1", "web.prot"),
        ("TUSOI_NOPE", "1", "nope"),
        ("TUSOI_WEB__PORT", "abc", "web.port"),
        ("TUSOI_DATA_DIR__X", "1", "data_dir"),
        ("TUSOI_LOG__LEVEL", "info", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, value: str, named: str) -> None:
    assert named in refusal(a_file(tmp_path, ""), {name: value})


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    assert load_config(a_file(tmp_path, "web: {port: 9000}"), {"TUSOI_WEB__PORT": ""}).web.port == 9000


def test_a_wrong_variable_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = a_file(tmp_path, "")
    message = refusal(path, {"TUSOI_WEB__PORT": "abc"})
    assert "TUSOI_WEB__PORT" in message
    assert str(path) not in message


@pytest.mark.parametrize("content", ["web: {port: yes}", "search: {candidates: true}"])
def test_yes_is_not_a_number(tmp_path: Path, content: str) -> None:
    refusal(a_file(tmp_path, content))


def test_a_dotenv_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = a_file(tmp_path, "")
    (tmp_path / ".env").write_bytes(b"TUSOI_WEB__HOST=\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"\.env.*UTF-8"):
        load_config(path)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere.yaml") in refusal(tmp_path / "nowhere.yaml")
    assert str(tmp_path) in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "key"),
    [("web: {prot: 1}", "web.prot"), ("web: [", "YAML"), (b"\xff\xfe", "UTF-8"), (None, "such file")],
)
def test_the_program_ends_with_2_and_one_line_on_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: str | bytes | None, key: str
) -> None:
    path = tmp_path / "config.yaml" if content is None else a_file(tmp_path, content)
    assert main(["--config", str(path), "check"]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith("tu-soi: ")
    assert key in line


# --- Keys ---------------------------------------------------------------------------------------------------------


def test_keys_lie_beside_the_data_folder_and_never_in_it(tmp_path: Path) -> None:
    config = load_config(a_file(tmp_path, ""), {})
    assert config.key_file == tmp_path / "data-keys" / "ring"
    assert config.data_dir not in config.key_file.parents
    moved = load_config(a_file(tmp_path, ""), {"TUSOI_SECRETS__KEY_FILE": "/etc/tu-soi/ring"})
    assert moved.key_file == Path("/etc/tu-soi/ring")


def test_keys_come_from_the_environment_alone_and_are_not_shown(tmp_path: Path) -> None:
    config = load_config(a_file(tmp_path, ""), {"TUSOI_SECRETS__KEYS": "k1 geheim"})
    assert config.secrets.keys is not None
    assert "geheim" not in repr(config)
    with pytest.raises(ConfigError, match=r"secrets\.keys is a secret: set TUSOI_SECRETS__KEYS"):
        load_config(a_file(tmp_path, "secrets:\n  keys: k1 geheim\n"), {})


# --- Zalo ---------------------------------------------------------------------------------------------------------

OA_SECRETS = {
    "TUSOI_ZALO_OA__APP_SECRET": "geheim-a",
    "TUSOI_ZALO_OA__REFRESH_TOKEN": "geheim-b",
    "TUSOI_ZALO_OA__OA_SECRET_KEY": "12345678",
}


def test_the_official_account_is_on_with_its_app_and_all_its_secrets_and_shows_none(tmp_path: Path) -> None:
    path = a_file(tmp_path, "zalo_oa: {app_id: 2553928453557884079}")
    config = load_config(path, OA_SECRETS)
    assert config.zalo_oa.is_on
    assert config.zalo_oa.app_id == "2553928453557884079"
    assert "geheim" not in repr(config)
    assert not load_config(path, {}).zalo_oa.is_on
    assert not load_config(a_file(tmp_path, ""), OA_SECRETS).zalo_oa.is_on


@pytest.mark.parametrize(
    "secret",
    ["zalo.token", "zalo.webhook_secret", "zalo_oa.app_secret", "zalo_oa.refresh_token", "zalo_oa.oa_secret_key"],
)
def test_secrets_of_zalo_do_not_stand_in_the_file(tmp_path: Path, secret: str) -> None:
    section, key = secret.split(".")
    message = refusal(a_file(tmp_path, f"{section}: {{{key}: geheim-geheim}}"))
    assert f"set TUSOI_{section.upper()}__{key.upper()} in the environment" in message
    assert "geheim" not in message


@pytest.mark.parametrize("given", ["geheim", "geheim geheim", "geheim-đồng-chí", "geheim-" * 40])
def test_a_secret_that_zalo_would_refuse_is_refused_and_not_shown(tmp_path: Path, given: str) -> None:
    message = refusal(a_file(tmp_path, ""), {"TUSOI_ZALO__WEBHOOK_SECRET": given})
    assert "TUSOI_ZALO__WEBHOOK_SECRET: 'zalo.webhook_secret'" in message
    assert "8 to 256" in message
    assert "geheim" not in message


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("zalo: {webhook: 'http://tusoi.example.vn/zalo'}", "zalo.webhook"),
        ("zalo: {webhook: 'https://tusoi.example.vn/zalo?x=1'}", "zalo.webhook"),
        ("zalo: {webhook: 'https://user:word@tusoi.example.vn/zalo'}", "zalo.webhook"),
        ("zalo_oa: {app_id: tu-soi}", "zalo_oa.app_id"),
        ("zalo_oa: {paid: 'yes please'}", "zalo_oa.paid"),
        ("zalo_oa: {path: zalo-oa}", "zalo_oa.path"),
    ],
)
def test_a_wrong_setting_of_zalo_is_named(tmp_path: Path, content: str, key: str) -> None:
    assert f"'{key}'" in refusal(a_file(tmp_path, content))
