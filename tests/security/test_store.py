"""S79: no column holds a plain digest of content or of an identity number, which anybody could find by trying them all."""

import base64
import hashlib
import json
import re

import pytest
from sqlalchemy import select

from gateway.crashpoints import Point
from gateway.pipeline import case_events, confirm, people
from gateway.pipeline.accept import Intake
from gateway.pipeline.case_events import CaseEvent
from gateway.pipeline.clients import Clients
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.people import Decision
from gateway.store import alarms
from gateway.store.alarms import AlarmCode
from gateway.store.tables import dedupe, document, idempotency, journal, metadata, tenant_key
from gateway.testing.site import ORGANISATION
from tests.integration.outbound.kit import Scripted, hand_in, melding, with_roads
from tests.integration.pipeline.test_bad_input import readback_of
from tests.reports import TestDelivery
from tests.work import work_off

CHILD = "01010112345"
KNOWN_TEXTS = {
    "reference": "SAK-2026/17", "reason": "Snakket med mor, hun ba oss vente", "key": "nokkel-4711",
    "melding-id": "9b0c7b1e-1111-4222-8333-444455556666", "remote-id": "melding-17", "case": "SAK-2026/18",
}  # fmt: skip
ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "blake2b", "blake2s")
PREFIX = 8  # octets: a digest that was cut short is one too


@pytest.fixture
async def known(env, site, sender):
    """A bit of everything goes through two offices; returns what a thief of the database may guess."""
    report = sender.report()
    document = json.loads(report.json) | {"ekstra": {"fodselsnummer": CHILD}}
    raw = json.dumps(document).encode()
    parts = {
        "bekymringsmelding": sender.printed(report.pdf),
        "asice": sender.sealed(sender.container({"bekymringsmelding.json": raw, "bekymringsmelding.pdf": report.pdf})),
    }
    headers = {"bekymringsmelding-id": KNOWN_TEXTS["melding-id"], "klientMeldingId": CHILD}
    ours = TestDelivery(parts, headers=headers, remote_id=KNOWN_TEXTS["remote-id"])
    theirs = TestDelivery(parts, headers=headers, address=type(ours.address)("4601", "03"))
    first, other = [(await Intake(env).accept(one)).id for one in (ours, theirs)]
    await work_off(env)
    client, next_door = (CaseSystemClient("fagsystem-1", (tenant,)) for tenant in (site.tenant, "4601-03"))
    event = CaseEvent("undersokelse_startet", env.now(), reference=KNOWN_TEXTS["case"])
    await case_events.event(env, client, first, event)
    await confirm.confirm(env, client, first, await readback_of(env, client, first, KNOWN_TEXTS["reference"]))
    await confirm.reject(env, next_door, other, "wrong-office", KNOWN_TEXTS["reason"])
    by_hand = Decision("confirm", "kari", KNOWN_TEXTS["reason"], KNOWN_TEXTS["reference"])
    await people.decide(env, other, by_hand)
    await Clients(env.store, env.clock).add_fagsystem(
        "fagsystem-7", organisations=[ORGANISATION], tenants=[site.tenant], certificate=None, actor="kari"
    )
    sending = await with_roads(env, site.tenant, loopback=Scripted())
    envelope = melding(meldingId=KNOWN_TEXTS["melding-id"], barn=[{"fodselsnummer": CHILD}])
    await hand_in(sending, client, envelope, {"brev.pdf": report.pdf}, key=KNOWN_TEXTS["key"])
    await work_off(sending)
    numbers = {number.encode() for number in re.findall(r"\b[0-9]{11}\b", raw.decode())}
    assert CHILD.encode() in numbers
    return {raw, report.pdf, json.dumps(envelope).encode(), *numbers, *(text.encode() for text in KNOWN_TEXTS.values())}


def digests(known):
    """The beginning of each digest that can be made of it without a key: of the bytes, of a digest's hex, with a prefix."""
    for algorithm in ALGORITHMS:
        plain = hashlib.new(algorithm, known)
        for form in (known, plain.hexdigest().encode(), plain.digest(), *(mix + known for mix in MIXED)):
            yield hashlib.new(algorithm, form).digest()[:PREFIX]


MIXED = (b"4601-02", b"4601-02:", b"4601-02\x00", b"11111111-2222-4333-8444-555566667777\x00", b"fagsystem-1\x00")


def forms(digest):
    """As it would stand in a column. Base64 keeps only the octets that no neighbour changes."""
    whole = base64.b64encode(digest)[: PREFIX * 4 // 3]
    return digest, digest.hex().encode(), digest.hex().upper().encode(), whole, whole.translate(URLSAFE)


URLSAFE = bytes.maketrans(b"+/", b"-_")


async def columns(env):
    """Every value of every column of every table, as octets, by its place; but sealed records, which are S84's."""
    tables = await env.store.read(
        lambda conn: {table.name: conn.execute(select(table)).mappings().all() for table in metadata.sorted_tables}
    )
    return {
        (name, column, number): value if isinstance(value, bytes) else str(value).encode()
        for name, rows in tables.items()
        for number, row in enumerate(rows)
        for column, value in row.items()
        if value is not None and (name, column) != ("payload", "record")
    }


def plain(known, found):
    """The places that hold a plain digest."""
    sought = [form for one in known for digest in digests(one) for form in forms(digest)]
    whole = b"\x00".join(found.values())
    hits = [form for form in sought if form in whole]
    return sorted({place[:2] for place, value in found.items() for form in hits if form in value})


@pytest.mark.proves("S79")
async def test_no_plain_hash_columns(env, known):
    found = await columns(env)
    filled = {table for table, _, _ in found}
    assert filled >= {"dedupe", "idempotency", "document", "confirmation", "case_event", "note", "journal", "parcel"}
    assert plain(known, found) == []
    planted = hashlib.sha256(CHILD.encode()).hexdigest()  # the control: such a value would be found, cut short as well
    for subject in (planted, "x" + base64.b64encode(bytes.fromhex(planted)).decode()[:20]):
        await env.store.write(
            lambda conn, subject=subject: alarms.ring(
                conn, tenant="*", code=AlarmCode.DISK_FLOOR, subject=subject, at=1
            ),
            Point.ADMIN,
        )
    found = await columns(env)
    assert plain(known, found) == [("alarm", "subject"), ("journal", "entry")]


@pytest.mark.proves("S79")
async def test_what_is_looked_up_by_is_an_hmac_under_the_offices_own_key(env, site, known):
    """The same content at two offices has nothing in common, and without the key's row nobody can make it again."""

    def read(conn):
        rows = conn.execute(select(dedupe.c.tenant, dedupe.c.key)).all()
        rows += conn.execute(select(document.c.tenant, document.c.mac)).all()
        rows += conn.execute(select(idempotency.c.tenant, idempotency.c.key)).all()
        return (
            rows,
            conn.execute(select(journal.c.message_id, journal.c.entry)).all(),
            conn.execute(select(tenant_key)).all(),
        )

    looked_up, entries, keys = await env.store.read(read)
    by_tenant = {tenant: {value for one, value in looked_up if one == tenant} for tenant in (site.tenant, "4601-03")}
    assert all(len(values) > 3 for values in by_tenant.values())
    assert not set.intersection(*by_tenant.values())
    raw = next(one for one in known if CHILD.encode() in one and b"sendingstidspunkt" in one)
    assert env.vault.mac(site.tenant, "content", hashlib.sha256(raw).digest()) in by_tenant[site.tenant]
    assert {(row.tenant, row.purpose) for row in keys} >= {(tenant, "index") for tenant in by_tenant}
    # Commitments in the journal are under each message's own salt: the same bytes twice have no two alike.
    seals = [(row.message_id, seal) for row in entries for seal in json.loads(row.entry)["commit"].values()]
    owners = {}
    for message_id, seal in seals:
        assert owners.setdefault(seal, message_id) == message_id
