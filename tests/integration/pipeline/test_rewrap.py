"""A new key-encryption key takes over: what the earlier one wrapped opens on, and at last without it."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from gateway.crypto.at_rest import LocalKeyEncryptionKey
from gateway.errors import ConfigError, DecryptionError
from gateway.pipeline.offices import Offices
from gateway.pipeline.rewrap import rewrap
from gateway.pipeline.vault import Vault
from gateway.store import messages, payloads
from gateway.store.tables import payload_key, tenant_key
from tests.work import work_off

NEW = LocalKeyEncryptionKey(bytes(range(32)))


def renewed(env, *, keep):
    """The same environment after the operator put another key into the configuration."""
    offices = Offices(replace(each, kek=NEW, earlier_keks=(each.kek,) if keep else ()) for each in env.offices.all())
    return replace(env, offices=offices, vault=Vault(offices, env.vault.folder))


async def content(env, message_id):
    def find(conn):
        first = messages.documents(conn, message_id)[0]
        return first, payloads.find_key(conn, message_id), payloads.find(conn, message_id, first.purpose)

    first, wrapped, stored = await env.store.read(find)
    return b"".join(env.vault.pieces(env.vault.unlock(first.tenant, message_id, wrapped), first.purpose, stored))


async def key_ids(env, table):
    return set(await env.store.read(lambda conn: conn.execute(select(table.c.kek_id)).scalars().all()))


async def test_after_rewrapping_the_earlier_key_can_be_destroyed(env, intake, sender):
    accepted = await intake.accept(sender.delivery(1))
    await work_off(env)
    before = await content(env, accepted.id)
    mac = env.vault.mac("4601-02", "document", b"x")

    both = renewed(env, keep=True)
    await both.vault.load(both.store)
    assert await content(both, accepted.id) == before
    assert both.vault.mac("4601-02", "document", b"x") == mac
    assert await rewrap(both, "kari") == 3  # one message, the index keys of two offices
    assert await rewrap(both, "kari") == 0

    alone = renewed(env, keep=False)
    await alone.vault.load(alone.store)
    assert await content(alone, accepted.id) == before
    assert alone.vault.mac("4601-02", "document", b"x") == mac
    for table in (payload_key, tenant_key):
        assert await key_ids(env, table) == {NEW.key_id}
    with pytest.raises(DecryptionError, match="is not configured"):
        await content(env, accepted.id)


async def test_a_key_that_is_gone_before_rewrapping_is_named_and_nothing_is_lost(env, intake, sender):
    accepted = await intake.accept(sender.delivery(1))
    await work_off(env)
    alone = renewed(env, keep=False)
    with pytest.raises(DecryptionError, match="local:"):
        await rewrap(alone, "kari")
    assert await content(env, accepted.id)


async def test_a_running_gateway_takes_a_new_key_only_while_the_one_in_use_stays(env):
    env.offices.require_same(renewed(env, keep=True).offices)
    with pytest.raises(ConfigError, match="must stay"):
        env.offices.require_same(renewed(env, keep=False).offices)
