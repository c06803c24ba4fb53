"""Records a small database as today's code writes it, for tests of what comes after: ``python -m tests.vectors.record_rows``.

Run it when a migration is written, before any later one: it writes ``schema-NNNN.json`` beside this file.
"""

import asyncio
import base64
import json
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import config
from gateway.app import environment
from gateway.crashpoints import Point
from gateway.pipeline import confirm, hand_over
from gateway.pipeline.accept import Intake
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.store import journal, migrate
from gateway.store.tables import metadata
from gateway.testing.site import Site, make_site
from tests.conftest import ROOT
from tests.integration.pipeline.test_journey import read_all, readback
from tests.reports import Sender, TestDelivery
from tests.work import work_off

FOLDER = Path(__file__).parent
SECRET = bytes(range(32))  # of throw-away keys: what is sealed in the vectors is made up
PDF = b"%PDF-1.4\n%%EOF\n"
CLIENT = CaseSystemClient("fagsystem-1", ("4601-02",))


def site_with_known_keys(folder: Path) -> Site:
    """An installation whose key-encryption key and log key open what is recorded."""
    site = make_site(
        folder, defaults=ROOT / "config", issuer="https://issuer.test/", jwks_uri="http://127.0.0.1:9/jwks"
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "keys" / "kek").write_bytes(SECRET)
    (folder / "keys" / "evidence.pem").write_bytes(Ed25519PrivateKey.from_private_bytes(SECRET).private_bytes(*form))
    return site


async def record(folder: Path) -> dict[str, object]:
    """One report that waits, one that is done, and all that stands around them."""
    site = site_with_known_keys(folder)
    migrate.create_sqlite(folder / "var", origin="test")
    async with environment(config.load(site.configuration, {})) as env:
        intake, sender = Intake(env), Sender(site, env)
        ids = []
        for number in (1, 2):
            report = sender.report(number)
            documents = {"bekymringsmelding.json": report.json, "bekymringsmelding.pdf": PDF}
            parts = {"bekymringsmelding": sender.printed(PDF), "asice": sender.sealed(sender.container(documents))}
            ids.append((await intake.accept(TestDelivery(parts))).id)
            await work_off(env)
        documents = await read_all(env, CLIENT, ids[1])
        await hand_over.claim(env, CLIENT, 10, 600, ())
        await confirm.confirm(env, CLIENT, ids[1], readback(documents))
        await confirm.reject(env, CLIENT, ids[0], "wrong-office")  # it waits for a person: no lease that runs out
        await work_off(env)
        while await env.store.write(journal.number_pending, Point.NUMBER):
            pass
        await env.heads.publish(env.store, env.now())
        rows = await env.store.read(
            lambda conn: {t.name: conn.execute(t.select()).all() for t in metadata.sorted_tables}
        )
    tables = {
        name: [{key: _told(value) for key, value in row._mapping.items()} for row in found]
        for name, found in rows.items()
    }
    return {"held": ids[0], "receipted": ids[1], "tables": {name: found for name, found in tables.items() if found}}


def _told(value: object) -> object:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        recorded = asyncio.run(record(Path(scratch) / "site"))
    out = FOLDER / f"schema-{migrate.HEAD}.json"
    out.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
