"""config.yaml, the environment and .env -> Config."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)

PREFIX = "TUSOI_"
SECRETS = {
    ("telegram", "token"),
    ("telegram", "webhook_secret"),
    ("zalo", "token"),
    ("zalo", "webhook_secret"),
    ("zalo_oa", "app_secret"),
    ("zalo_oa", "refresh_token"),
    ("zalo_oa", "oa_secret_key"),
    ("secrets", "keys"),
}


class ConfigError(Exception):
    """A setting is wrong; the message names the key and what is allowed."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseConfig(_Section):
    """Where conversations are kept."""

    url: str | None = None


class DocumentsConfig(_Section):
    """Where the texts are."""

    folder: Path = Path("knowledge/documents")
    incoming: Path | None = None

    @property
    def tray(self) -> Path:
        """Where an administrator drops files to be loaded."""
        if self.incoming is None:
            raise RuntimeError("load_config fills it in")
        return self.incoming


class EncoderConfig(_Section):
    """Which model turns texts into vectors."""

    model: str = "bundled"
    query_prompt: str = ""
    passage_prompt: str = ""
    batch_size: Annotated[int, Field(ge=1, le=4096, strict=True)] = 32


class SearchConfig(_Section):
    """How wide the search looks."""

    candidates: Annotated[int, Field(ge=1, le=1000, strict=True)] = 50


class WebConfig(_Section):
    """The web chat."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, strict=True)] = 8080
    secure_cookies: bool = False
    address: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None


def _telegram_secret(value: SecretStr | None) -> SecretStr | None:
    """Refuse what Telegram does not take as the secret of a webhook, and what could be guessed."""
    if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", value.get_secret_value()):
        raise ValueError("must be 16 to 256 of A-Z, a-z, 0-9, _ and -")
    return value


class TelegramConfig(_Section):
    """The Telegram bot; off while there is no token.

    Attributes:
        webhook: the public address that Telegram posts to; without, updates are fetched. A Bot API server of one's own
            may post within this machine without HTTPS.
        webhook_secret: what Telegram proves itself with there; without, it is made from the token.
    """

    token: SecretStr | None = None
    name: Annotated[str, StringConstraints(pattern=r"^\w{5,32}$")] | None = None
    webhook: (
        Annotated[
            str,
            StringConstraints(pattern=r"^(https://[^\s/?#@]+|http://(127\.0\.0\.1|localhost)(:\d{1,5})?)(/[^\s?#]*)?$"),
        ]
        | None
    ) = None
    webhook_secret: Annotated[SecretStr | None, AfterValidator(_telegram_secret)] = None
    base_url: str = "https://api.telegram.org/bot"
    base_file_url: str = "https://api.telegram.org/file/bot"


def _header_secret(value: SecretStr | None) -> SecretStr | None:
    """Refuse what Zalo does not take as the secret of a webhook, or what no header can hold."""
    if value is not None and not re.fullmatch(r"[!-~]{8,256}", value.get_secret_value()):
        raise ValueError("must be 8 to 256 letters, digits or signs, without blanks")
    return value


def _digits(value: Any) -> Any:
    """Let an id of digits stand without quotes in YAML."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if text is not None and not (isinstance(text, str) and re.fullmatch(r"[0-9]{1,32}", text)):
        raise ValueError("must be the app's id: 1 to 32 digits")
    return text


class ZaloConfig(_Section):
    """The Zalo bot; off while there is no token.

    Attributes:
        webhook: the public address that Zalo posts to; without, updates are fetched. Zalo itself refuses an address
            without HTTPS; a server that speaks like it may be on this machine.
        webhook_secret: what Zalo proves itself with there; without, it is made from the token.
    """

    token: SecretStr | None = None
    webhook: (
        Annotated[
            str,
            StringConstraints(pattern=r"^(https://[^\s/?#@]+|http://(127\.0\.0\.1|localhost)(:\d{1,5})?)(/[^\s?#]*)?$"),
        ]
        | None
    ) = None
    webhook_secret: Annotated[SecretStr | None, AfterValidator(_header_secret)] = None
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] = "https://bot-api.zaloplatforms.com/bot"


class ZaloOaConfig(_Section):
    """The Zalo Official Account; off until its app and all three secrets are set.

    Attributes:
        app_id: of the app that is linked to the account.
        app_secret: of that app, to exchange tokens.
        refresh_token: from authorising the app; works once, its successors are kept in the database.
        oa_secret_key: of the webhook, which signs what is posted.
        paid: whether messages may be sent that cost money: from 48 hours to 7 days after a person has written.
        path: where the web server takes what Zalo posts.
    """

    app_id: Annotated[str | None, BeforeValidator(_digits)] = None
    app_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    oa_secret_key: SecretStr | None = None
    paid: Annotated[bool, Field(strict=True)] = False
    path: Annotated[str, StringConstraints(pattern=r"^/[\w./-]*$")] = "/zalo-oa"
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] = "https://openapi.zalo.me"
    oauth_url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] = (
        "https://oauth.zaloapp.com/v4/oa/access_token"
    )

    @property
    def is_on(self) -> bool:
        """Whether everything is there that the channel needs."""
        return None not in (self.app_id, self.app_secret, self.refresh_token, self.oa_secret_key)


class TalkConfig(_Section):
    """How messages from Telegram and Zalo are handled.

    Attributes:
        processes: so many processes answer them beside the program, each with the documents in its memory; 0: the
            program itself, in threads.
    """

    processes: Annotated[int, Field(ge=0, le=16, strict=True)] = 0


class WebhooksConfig(_Section):
    """Where the web server listens that platforms post to, where one of them has a webhook.

    Attributes:
        shared: `python -m bot webhook` may listen on the same port, too, in as many processes as are started.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, strict=True)] = 8081
    shared: Annotated[bool, Field(strict=True)] = False


class SecretsConfig(_Section):
    """The keys that what members answer is encrypted with: a file, or the ring itself from the environment."""

    key_file: Path | None = None
    keys: SecretStr | None = None


class AssessmentConfig(_Section):
    """The monthly self-assessment.

    Attributes:
        keep_months: what was answered is destroyed so many months after a round's month; that it was, stays.
        decision: the committee's written decision that lets secretaries see all answers, as members are to read it.
    """

    keep_months: Annotated[int, Field(ge=1, le=240, strict=True)] = 24
    decision: Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)] | None = None


class FeedbackConfig(_Section):
    """What is kept of questions and answers, never with a person.

    Attributes:
        gaps: questions that got no answer, for the committee.
        thumbs: how often answers were called of use, or not.
    """

    gaps: Annotated[bool, Field(strict=True)] = True
    thumbs: Annotated[bool, Field(strict=True)] = True


class LogConfig(_Section):
    """What is logged."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


Identity = Annotated[str, StringConstraints(pattern=r"^[a-z]+:\S+$")]


class Config(_Section):
    """Everything a deployer sets; data_dir and the documents' folders count from the folder of config.yaml."""

    data_dir: Path = Path("data")
    database: DatabaseConfig = DatabaseConfig()
    documents: DocumentsConfig = DocumentsConfig()
    encoder: EncoderConfig = EncoderConfig()
    search: SearchConfig = SearchConfig()
    web: WebConfig = WebConfig()
    telegram: TelegramConfig = TelegramConfig()
    zalo: ZaloConfig = ZaloConfig()
    zalo_oa: ZaloOaConfig = ZaloOaConfig()
    webhooks: WebhooksConfig = WebhooksConfig()
    talk: TalkConfig = TalkConfig()
    admins: tuple[Identity, ...] = ()
    assessment: AssessmentConfig = AssessmentConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    secrets: SecretsConfig = SecretsConfig()
    log: LogConfig = LogConfig()

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in use."""
        return self.database.url or f"sqlite:///{self.data_dir / 'tu-soi.db'}"

    @property
    def key_file(self) -> Path:
        """Where the keys are: never in data_dir, whose copies would else hold both lock and key."""
        return self.secrets.key_file or self.data_dir.with_name(f"{self.data_dir.name}-keys") / "ring"


def load_config(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """Return the settings: defaults, then the file, then .env beside it, then the environment.

    Args:
        path: the file; None for config.yaml beside the program, which may be missing.
        environment: os.environ unless told.
    Raises:
        ConfigError: the file is missing or not YAML, or a key is unknown, of a wrong type or out of range.
    """
    given = path is not None
    path = (path or Path(__file__).parent.parent / "config.yaml").resolve()
    values = _read(path, must_exist=given)
    for section, key in SECRETS:
        if isinstance(values.get(section), dict) and key in values[section]:
            name = f"{PREFIX}{section}__{key}".upper()
            raise ConfigError(f"{section}.{key} is a secret: set {name} in the environment or in .env, not in {path}")
    variables = _read_dotenv(path.parent / ".env") if environment is None else {}
    origins: dict[str, str] = {}
    for name, value in {**variables, **(os.environ if environment is None else environment)}.items():
        # An empty variable says nothing, as in a shell.
        if name.startswith(PREFIX) and value:
            keys = name.removeprefix(PREFIX).lower().split("__")
            _set(values, keys, value, name)
            origins[".".join(keys)] = name
    for key, kept in values.items():
        if kept is None and isinstance(getattr(Config.model_fields.get(key), "default", None), _Section):
            # A section whose lines are all commented out.
            values[key] = {}
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        # Without its cause, which quotes what was given, secrets too.
        raise ConfigError(_explain(error, path, origins)) from None
    home = path.parent
    documents = config.documents
    return config.model_copy(
        update={
            "data_dir": home / config.data_dir,
            "secrets": config.secrets.model_copy(
                update={"key_file": home / config.secrets.key_file if config.secrets.key_file else None}
            ),
            "documents": documents.model_copy(
                update={
                    "folder": home / documents.folder,
                    "incoming": home / (documents.incoming or config.data_dir / "incoming"),
                }
            ),
        }
    )


def _read_dotenv(path: Path) -> dict[str, str | None]:
    try:
        return dotenv_values(path)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 (byte {error.start}): save it again as UTF-8") from error


def _read(path: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if must_exist:
            raise ConfigError(f"{path}: no such file: give --config an existing file or leave it out") from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: not valid YAML: {getattr(error, 'problem', 'broken')}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold 'key: value' lines")
    return values


def _set(values: dict[str, Any], keys: list[str], value: str, name: str) -> None:
    for key in keys[:-1]:
        inner = values.get(key)
        if inner is None:
            inner = values[key] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"{name}: '{key}' has no settings of its own")
        values = inner
    # A text stays as it was given: "query: " would be YAML for something else.
    values[keys[-1]] = value if _is_text(keys) else _parsed(value)


def _parsed(value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value


def _is_text(keys: list[str]) -> bool:
    section: Any = Config
    for key in keys[:-1]:
        field = getattr(section, "model_fields", {}).get(key)
        section = field.annotation if field else None
    field = getattr(section, "model_fields", {}).get(keys[-1])
    return field is not None and field.annotation in (str, str | None, Path, Path | None, SecretStr | None)


def _explain(error: ValidationError, path: Path, origins: Mapping[str, str]) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    where = origins.get(key) or next((n for k, n in origins.items() if key.startswith(f"{k}.")), None) or str(path)
    section: Any = Config
    for part in first["loc"][:-1]:
        inner = section.model_fields.get(part) if isinstance(part, str) and section else None
        section = getattr(inner, "annotation", None) if inner else None
    if first["type"] == "extra_forbidden":
        known = sorted(getattr(section, "model_fields", {}))
        return f"{where}: unknown key '{key}'; allowed: {', '.join(known)}"
    # What stands where a password may stand is not repeated.
    is_secret = first["loc"][0] in ("database", "telegram", "zalo", "zalo_oa", "secrets")
    got = "" if is_secret else f"; got {first['input']!r}"
    return f"{where}: '{key}': {first['msg']}{got}"
