"""KS's official Fiks IO client sends to itself through our platform simulator, over a real RabbitMQ with TLS.

So the simulator demands and answers what the client is built for: what we later learn from it is worth something.
"""

import asyncio
import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.simulators.fiks.platform import ISSUER
from gateway.testing.pki import receive_key
from tests.broker import CLIENT, Fiks, Member, running_fiks
from tests.interop.fiks.kit import Peer, PeerError, peer, trusting

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

REQUEST = "no.ks.fiks.bekymringsmelding.offentlig.v2"
REFUSAL = "no.ks.fiks.bekymringsmelding.feilet.v1"
RECEIPT = "no.ks.fiks.bekymringsmelding.mottatt.v1"
WITHIN_S = 30


@dataclass
class Office:
    """One account in the hands of the official client."""

    java: Peer
    name: str
    member: Member
    settings: dict

    async def __call__(self, do, **order):
        return await asyncio.to_thread(self.java, do, name=self.name, **order)

    async def send(self, other, files, **more):
        order = {"type": REQUEST, "klientMeldingId": uuid.uuid4(), "korrelasjon": "dialog 1", "headers": {}} | more
        return await self("send", to=other.member.konto_id, files=files, **order)

    async def next(self):
        return await self("next", within_s=WITHIN_S)


@dataclass
class Pair:
    """Two accounts that know each other, and the platform between them."""

    fiks: Fiks
    a: Office
    b: Office
    folder: Path

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path


async def office(fiks, java, name):
    member = await fiks.member(name, receive=receive_key(name))
    settings = {
        "kontoId": member.konto_id,
        "key": member.receive.write_pem(java.folder / f"{name}.pem"),
        "signer": fiks.supplier_credential.write_pem(java.folder / "signer.pem"),
        "integrasjonId": member.integrasjon_id,
        "integrasjonPassord": member.passord,
        "klientId": CLIENT,
        "audience": ISSUER,
        "tokenEndpoint": fiks.platform.token_endpoint,
        "api": fiks.platform.base_url,
        "amqp": f"amqps://localhost:{fiks.platform.amqp_port}",
    }
    made = Office(java, name, member, settings)
    await made("connect", **settings)
    await made("subscribe")
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fiks-io")
    async with running_fiks(folder) as fiks:
        with peer("FiksIo", folder, *trusting(folder, fiks.ca)) as java:
            yield Pair(fiks, await office(fiks, java, "a"), await office(fiks, java, "b"), folder)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


async def test_what_the_official_client_sends_the_official_client_opens_and_its_receipt_comes_back(pair):
    report, pdf, own = b'{"melding": "\xc3\xa6"}', b"%PDF-1.7 prove", uuid.uuid4()
    files = [pair.file("bekymringsmelding.json", report), pair.file("bekymringsmelding.pdf", pdf)]
    sent = await pair.a.send(pair.b, files, klientMeldingId=own, headers={"bydel-ressurs-id": "Årstad"})

    got = await pair.b.next()
    assert got["files"] == {"bekymringsmelding.json": sha256(report), "bekymringsmelding.pdf": sha256(pdf)}
    assert (got["meldingId"], got["type"], got["resent"]) == (sent, REQUEST, False)
    assert (got["from"], got["to"]) == (pair.a.member.konto_id, pair.b.member.konto_id)
    assert (got["klientMeldingId"], got["korrelasjon"], got["answers"]) == (str(own), "dialog 1", "")
    assert got["headers"]["bydel-ressurs-id"] == "Årstad"
    receipt = await pair.b("answer", meldingId=sent, type=RECEIPT, files=[])
    await pair.b("ack", meldingId=sent)

    told = await pair.a.next()
    assert (told["meldingId"], told["type"], told["answers"]) == (receipt, RECEIPT, sent)
    assert (told["from"], told["korrelasjon"], told["files"]) == (pair.b.member.konto_id, "dialog 1", {})
    await pair.a("ack", meldingId=receipt)


async def test_six_megabytes_go_through_dokumentlager_and_come_out_the_same(pair):
    content = os.urandom(6 * 2**20)
    sent = await pair.b.send(pair.a, [pair.file("vedlegg.pdf", content)])
    got = await pair.a.next()
    assert (got["meldingId"], got["files"]) == (sent, {"vedlegg.pdf": sha256(content)})
    assert sum(one.stat().st_size > len(content) for one in (pair.folder / "fiks").rglob("*") if one.is_file()) == 1
    await pair.a("ack", meldingId=sent)


async def test_a_refusal_is_sealed_for_the_account_that_it_answers(pair):
    reason = b'{"melding": "kan ikke lagres"}'
    sent = await pair.a.send(pair.b, [pair.file("bekymringsmelding.json", b"{}")])
    await pair.b.next()
    refusal = await pair.b("answer", meldingId=sent, type=REFUSAL, files=[pair.file("feilmelding.json", reason)])
    await pair.b("ack", meldingId=sent)
    told = await pair.a.next()
    assert (told["meldingId"], told["type"], told["answers"]) == (refusal, REFUSAL, sent)
    assert told["files"] == {"feilmelding.json": sha256(reason)}
    await pair.a("ack", meldingId=refusal)


async def test_a_message_put_back_comes_again_and_says_so(pair):
    sent = await pair.a.send(pair.b, [pair.file("liten.json", b"{}")])
    assert not (await pair.b.next())["resent"]
    await pair.b("requeue", meldingId=sent)
    again = await pair.b.next()
    assert (again["meldingId"], again["resent"]) == (sent, True)
    await pair.b("ack", meldingId=sent)


async def test_the_official_client_reads_accounts_from_the_catalogue(pair):
    assert await pair.a("konto", kontoId=pair.b.member.konto_id) == "b"
    assert await pair.a("konto", kontoId=uuid.uuid4()) == ""


async def test_the_official_client_with_a_wrong_password_is_refused_at_the_broker(pair):
    wrong = pair.a.settings | {"integrasjonPassord": "feil"}
    with pytest.raises(PeerError, match="ACCESS_REFUSED"):
        await asyncio.to_thread(pair.a.java, "connect", name="wrong", **wrong)
