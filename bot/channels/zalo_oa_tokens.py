"""The access token of a Zalo Official Account: exchanged in time, by one process, and kept before it is used.

A refresh token works once. See storage/oa_tokens.py for how processes take turns, and for the one thing that only an
administrator can mend: a program that ends between Zalo's answer and keeping it has used the token up.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from bot.channels.posting import MaybeSentError, NotSentError, SendError, post
from bot.config import ZaloOaConfig
from storage.oa_tokens import Claim, Tokens
from storage.store import Store

log = logging.getLogger(__name__)

APP_SECRET_SETTING, REFRESH_SETTING = "TUSOI_ZALO_OA__APP_SECRET", "TUSOI_ZALO_OA__REFRESH_TOKEN"
# Longer than an exchange can take, so that nobody begins a second one beside it.
LEASE = timedelta(seconds=60)
EXCHANGE_TIMEOUT_S = 15.0
# A token is exchanged when so much of its life is over, that is before anybody is refused because of it.
USED_SHARE = 0.9
DEFAULT_LIFE_S = 3600.0
AFTER_REFUSAL = timedelta(minutes=10)
AFTER_TROUBLE = timedelta(seconds=5)
DISTRUST_S = 60.0
LOOK_EVERY_S = 0.2
SAVE_TRIES, SAVE_AGAIN_AFTER_S = 5, 1.0
_USED_UP = (-14014, -14020)


class NoTokenError(SendError):
    """There is no access token at the moment; the log says why, `retry_after_s` when another try makes sense."""

    def __init__(self, reason: str, retry_after_s: float) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class _Exchanged:
    """A new pair that Zalo has answered, and which pair it was given for."""

    version: int
    access: str
    refresh: str
    use_until: datetime


class OaTokenKeeper:
    """Gives the access token of one account."""

    def __init__(
        self, store: Store, config: ZaloOaConfig, client: httpx.AsyncClient, clock: Callable[[], datetime]
    ) -> None:
        """Take where tokens are kept; the settings must hold the app's id, its secret and a refresh token."""
        self._store = store
        self._config = config
        self._client = client
        self._clock = clock
        self._app_id = config.app_id or ""
        self._configured = config.refresh_token.get_secret_value() if config.refresh_token else ""
        # One lease is of one keeper, not of one process: two in a process take turns like any others.
        self._name = secrets.token_hex(8)
        self._lock = asyncio.Lock()
        self._known: Tokens | None = None
        self._unsaved: _Exchanged | None = None
        self._exchanging: asyncio.Task[Tokens | NoTokenError] | None = None
        self._is_closing = False
        # By a clock that only goes forward.
        self._distrusted_until = 0.0

    async def access_token(self, *, refused: str | None = None) -> str:
        """Return an access token, exchanged first where it is due.

        Args:
            refused: a token that Zalo did not take: another one is wanted.
        Raises:
            NoTokenError: there is none, for now.
        """
        known = self._usable(self._known, refused)
        if known is not None:
            return known
        left_s = self._distrusted_until - time.monotonic()
        if refused is not None and left_s > 0:
            raise NoTokenError("Zalo did not take a new token either", left_s)
        async with self._lock:
            known = self._usable(self._known, refused)
            if known is not None:
                return known
            if self._exchanging is not None:
                # Whoever has begun it was cut off meanwhile.
                await asyncio.wait({self._exchanging})
            # Whoever waits may be cut off; what Zalo has answered must be kept all the same.
            self._exchanging = asyncio.create_task(self._fresh_or_none(refused))
            tokens = await asyncio.shield(self._exchanging)
            self._exchanging = None
        if isinstance(tokens, NoTokenError):
            raise tokens
        self._known = tokens
        return tokens.access or ""

    def distrust(self) -> None:
        """Note that Zalo did not take a token that was just exchanged: a further one would fare no better for now."""
        log.error("zalo_oa: Zalo does not take a new access token either: check that the app may act for the account")
        self._distrusted_until = time.monotonic() + DISTRUST_S

    async def close(self) -> None:
        """Begin no exchange any more; return when one that is under way has been kept."""
        self._is_closing = True
        if self._exchanging is not None:
            await asyncio.wait({self._exchanging})

    async def _fresh_or_none(self, refused: str | None) -> Tokens | NoTokenError:
        try:
            return await self._fresh(refused)
        except NoTokenError as error:
            return error
        except Exception as error:
            log.error("zalo_oa: tokens cannot be read: %s", type(error).__name__)
            return NoTokenError(f"tokens cannot be read: {type(error).__name__}", AFTER_TROUBLE.total_seconds())

    async def _fresh(self, refused: str | None) -> Tokens:
        if self._unsaved is not None:
            return await self._save(self._unsaved)
        give_up_at = time.monotonic() + LEASE.total_seconds()
        while True:
            tokens = await asyncio.to_thread(self._read)
            if self._usable(tokens, refused) is not None:
                return tokens
            if self._is_closing:
                raise NoTokenError("closing", AFTER_TROUBLE.total_seconds())
            claim = await asyncio.to_thread(self._claim, tokens.version)
            if claim.is_granted:
                return await self._exchange(claim)
            if claim.again_at is not None:
                wait_s = max(1.0, (claim.again_at - self._clock()).total_seconds())
                raise NoTokenError("the exchange of tokens has failed lately", wait_s)
            if time.monotonic() >= give_up_at:
                raise NoTokenError("another program exchanges tokens and does not end", AFTER_TROUBLE.total_seconds())
            await asyncio.sleep(LOOK_EVERY_S)

    async def _exchange(self, claim: Claim) -> Tokens:
        if claim.was_cut_off:
            log.warning("zalo_oa: an exchange of tokens was cut off before; trying whether the token still works")
        secret = self._config.app_secret.get_secret_value() if self._config.app_secret else ""
        form = {"refresh_token": claim.tokens.refresh, "app_id": self._app_id, "grant_type": "refresh_token"}
        trouble: NotSentError | MaybeSentError | None = None
        body: Mapping[str, Any] | None = None
        status = 0
        try:
            answer = await post(
                self._client,
                self._config.oauth_url,
                form=form,
                headers={"secret_key": secret},
                read_timeout_s=EXCHANGE_TIMEOUT_S,
            )
            body, status = answer.body, answer.status
        except (NotSentError, MaybeSentError) as error:
            trouble = error
        if body is None:
            # Whether Zalo has taken the token is told by the next try: it works, or it is used up.
            reason = str(trouble) if trouble is not None else f"HTTP {status} without an answer of Zalo"
            log.warning("zalo_oa: tokens not exchanged, trying again: %s", reason)
            await asyncio.to_thread(self._give_back, self._clock() + AFTER_TROUBLE)
            raise NoTokenError(f"tokens not exchanged: {reason}", AFTER_TROUBLE.total_seconds())
        access, refresh = body.get("access_token"), body.get("refresh_token")
        if not _is_token(access) or not _is_token(refresh):
            _explain(body.get("error"), was_cut_off=claim.was_cut_off)
            await asyncio.to_thread(self._give_back, self._clock() + AFTER_REFUSAL)
            raise NoTokenError("Zalo refuses the refresh token", AFTER_REFUSAL.total_seconds())
        use_until = self._clock() + timedelta(seconds=USED_SHARE * _life_s(body.get("expires_in")))
        return await self._save(_Exchanged(claim.tokens.version, str(access), str(refresh), use_until))

    async def _save(self, exchanged: _Exchanged) -> Tokens:
        """Keep a new pair; it is used by nobody before that."""
        self._unsaved = exchanged
        for left in reversed(range(SAVE_TRIES)):
            try:
                tokens = await asyncio.to_thread(self._write, exchanged)
            except Exception as error:
                log.error("zalo_oa: new tokens not kept yet: %s", type(error).__name__)
                if left:
                    await asyncio.sleep(SAVE_AGAIN_AFTER_S)
            else:
                self._unsaved = None
                log.info("zalo_oa: tokens exchanged, pair %d", tokens.version)
                return tokens
        log.error(
            "zalo_oa: the database does not take the new tokens: mend it before this program ends, or authorise the "
            "app again and put its refresh token into %s",
            REFRESH_SETTING,
        )
        raise NoTokenError("new tokens not kept", AFTER_TROUBLE.total_seconds())

    def _usable(self, tokens: Tokens | None, refused: str | None) -> str | None:
        if tokens is None or tokens.access is None or tokens.access == refused or tokens.use_until is None:
            return None
        return tokens.access if self._clock() < tokens.use_until else None

    def _read(self) -> Tokens:
        with self._store.transaction() as transaction:
            return transaction.oa_tokens.read(self._app_id, self._configured)

    def _claim(self, version: int) -> Claim:
        with self._store.transaction() as transaction:
            return transaction.oa_tokens.claim(
                self._app_id, self._configured, version=version, by=self._name, now=self._clock(), lease=LEASE
            )

    def _give_back(self, again_at: datetime) -> None:
        with self._store.transaction() as transaction:
            transaction.oa_tokens.give_back(self._app_id, self._configured, by=self._name, again_at=again_at)

    def _write(self, exchanged: _Exchanged) -> Tokens:
        with self._store.transaction() as transaction:
            return transaction.oa_tokens.save(
                self._app_id,
                self._configured,
                version=exchanged.version,
                access=exchanged.access,
                refresh=exchanged.refresh,
                use_until=exchanged.use_until,
                now=self._clock(),
            )


def _explain(code: object, *, was_cut_off: bool) -> None:
    """Log what an administrator has to do; never what Zalo wrote, which may hold a token."""
    number = code if isinstance(code, int) else "none"
    if number in _USED_UP:
        log.error(
            "zalo_oa: Zalo refuses the refresh token (error %s): it is used up or too old%s. Authorise the app again "
            "for the account at developers.zalo.me, put the new refresh token into %s and restart",
            number,
            ", probably because a program ended before it had kept its successor" if was_cut_off else "",
            REFRESH_SETTING,
        )
    else:
        log.error(
            "zalo_oa: Zalo does not exchange the tokens (error %s): check zalo_oa.app_id, %s and %s",
            number,
            APP_SECRET_SETTING,
            REFRESH_SETTING,
        )


def _is_token(value: object) -> bool:
    # It goes into a header.
    return isinstance(value, str) and re.fullmatch(r"[!-~]+", value) is not None


def _life_s(value: object) -> float:
    """Return for how many seconds a token is good, which Zalo writes as a number or as its digits."""
    digits = value if isinstance(value, str) else str(value) if type(value) is int else ""
    seconds = float(digits) if re.fullmatch(r"[0-9]{1,9}", digits) else 0.0
    return seconds or DEFAULT_LIFE_S
