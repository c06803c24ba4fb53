"""Where to ring a case system, signed by the Standard Webhooks scheme: the bell says type and id, never content.

The case system chooses the secret and gives it when it sets the address, so that it can verify the challenge that proves
the address. Here it is stored sealed, under a data key that the office's key wraps, and never given out.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

import aiohttp
import uuid_utils
from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.crypto.at_rest import DataKey, RecordName, key_context
from gateway.errors import MalformedRequestError, PartnerUnavailableError, UnknownResourceError
from gateway.pipeline.environment import Environment
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.store import journal, webhooks
from gateway.store.webhooks import StoredWebhook

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  a marker of the scheme, no secret
URL_CHARS_MAX: Final = 1024
CHALLENGE: Final = "webhook.challenge"
READY: Final = "message.ready"
_SECRET_BYTES_MIN: Final = 24
_SECRET_BYTES_MAX: Final = 64
_GOOD: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Bell:
    """One ring: ``id`` stays the same over retries, the time is that of the try."""

    id: str
    type: str
    data: dict[str, str]

    def body(self) -> bytes:
        """What is sent and signed."""
        return json.dumps({"type": self.type, "data": self.data}, separators=(",", ":")).encode()


def signature(secret: bytes, bell_id: str, timestamp: int, body: bytes) -> str:
    """``v1,`` and the base64 HMAC-SHA256 of id, time and body with dots between (Standard Webhooks)."""
    signed = f"{bell_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


async def put(env: Environment, client: CaseSystemClient, url: str, secret_text: str) -> None:
    """Set the client's webhook once it has answered a signed challenge.

    Raises MalformedRequestError for an address that cannot be used or does not answer, a secret that is too short, or a
    client without an office here.
    """
    _require_usable(env, url)
    secret = _secret(secret_text)
    served = {str(office.tenant) for office in env.offices.all()}
    hooks = [_sealed(env, client, tenant, url, secret) for tenant in client.tenants if tenant in served]
    if not hooks:
        detail = "none of your offices is served here, so there is nothing to ring for"
        raise MalformedRequestError(detail)
    try:
        await ring_one(env, hooks[0], Bell(str(uuid_utils.uuid7()), CHALLENGE, {}))
    except PartnerUnavailableError:
        detail = "the address did not answer the signed challenge with a 2xx status"
        raise MalformedRequestError(detail, code="webhook-unproven") from None
    env.deaf_until.pop(client.id, None)
    now = env.now()

    def work(conn: Connection) -> None:
        webhooks.put(conn, client.id, hooks)
        for hook in hooks:
            journal.write(conn, journal.Entry(journal.WEBHOOK_SET, hook.tenant, now, client.id))

    await env.store.write(work, Point.ADMIN)


def _sealed(env: Environment, client: CaseSystemClient, tenant: str, url: str, secret: bytes) -> StoredWebhook:
    kek = env.offices.of(tenant).kek
    key = DataKey.generate()
    return StoredWebhook(
        client_id=client.id,
        tenant=tenant,
        url=url,
        kek_id=kek.key_id,
        wrapped=kek.wrap(key, key_context(tenant, secret_context(client.id))),
        secret=key.seal_bytes(RecordName(tenant, secret_context(client.id), "secret"), secret),
    )


async def show(env: Environment, client: CaseSystemClient) -> str:
    """The address that is set; never the secret. Raises UnknownResourceError."""
    hook = await env.store.read(lambda conn: webhooks.find(conn, client.id))
    if hook is None:
        raise UnknownResourceError(_NONE)
    return hook.url


async def remove(env: Environment, client: CaseSystemClient) -> None:
    """Ring no more. Raises UnknownResourceError."""
    now = env.now()

    def work(conn: Connection) -> bool:
        tenants = webhooks.remove(conn, client.id)
        for tenant in tenants:
            journal.write(conn, journal.Entry(journal.WEBHOOK_REMOVED, tenant, now, client.id))
        return bool(tenants)

    if not await env.store.write(work, Point.ADMIN):
        raise UnknownResourceError(_NONE)


async def ring_one(env: Environment, hook: StoredWebhook, bell: Bell) -> None:
    """One signed call. Raises PartnerUnavailableError unless it was answered with 2xx; the answer's body is not read."""
    key = (
        env.offices.of(hook.tenant)
        .kek_of(hook.kek_id)
        .unwrap(hook.wrapped, key_context(hook.tenant, secret_context(hook.client_id)))
    )
    secret = key.open_bytes(RecordName(hook.tenant, secret_context(hook.client_id), "secret"), hook.secret)
    body = bell.body()
    timestamp = int(env.clock.now().timestamp())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": bell.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, bell.id, timestamp, body),
    }
    try:
        async with env.egress.post(hook.url, data=body, headers=headers, allow_redirects=False) as answer:
            if answer.status in _GOOD:
                return
    except (aiohttp.ClientError, OSError, TimeoutError):
        pass
    message = "the webhook did not answer 2xx"
    raise PartnerUnavailableError(message)


def _require_usable(env: Environment, url: str) -> None:
    """https, a host, nothing hidden in it. Loopback over http only where the mode allows trying things out."""
    parts = _split(url)
    trying = env.settings.mode != "production" and parts is not None and _on_loopback(parts)
    if parts is None or not (parts.scheme == "https" or trying) or not parts.hostname or "@" in parts.netloc:
        detail = "the address must be https://host/path without user name, at most 1024 characters"
        raise MalformedRequestError(detail)


def _split(url: str) -> SplitResult | None:
    """The address taken apart; None for what is too long, holds blanks or controls, or is none at all."""
    if len(url) > URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        named = parts.port != 0
    except ValueError:
        return None
    return parts if named else None


def _on_loopback(parts: SplitResult) -> bool:
    return parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"}


def _secret(text: str) -> bytes:
    """``whsec_`` and base64 of 24 to 64 octets."""
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:  # not base64, or not ASCII
        secret = b""
    if not text.startswith(SECRET_PREFIX) or not _SECRET_BYTES_MIN <= len(secret) <= _SECRET_BYTES_MAX:
        detail = "secret must be whsec_ and the base64 of 24 to 64 random octets"
        raise MalformedRequestError(detail)
    return secret


def secret_context(client_id: str) -> str:
    """What a webhook's data key is wrapped for."""
    return f"webhook:{client_id}"


_NONE: Final = "no webhook is set"
