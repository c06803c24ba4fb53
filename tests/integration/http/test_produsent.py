"""KS's producer API over a real listener: what a sender's program meets, good and bad."""

import asyncio
import json

import aiohttp
import pytest

from gateway import config
from gateway.errors import CommitUnknownError, StoreError, StoreFullError
from tests.edge_kit import (
    BASE,
    CLIENT_ID,
    FIKS_ORG_ID,
    MULTIPART,
    VENDOR,
    Client,
    TokenIssuer,
    mottak,
    multipart,
    organisation,
    partner,
    report,
    sealed,
)

KS_FIELDS = {"timestamp", "status", "error", "errorId", "path", "message"}
PROBLEM_FIELDS = {"type", "title", "status", "detail", "code", "instance"}


async def get(here, path, status=200, **changes):
    async with (
        aiohttp.ClientSession() as session,
        session.get(here.url + path, headers=here.headers(**changes)) as answer,
    ):
        assert answer.status == status, await answer.text()
        return await answer.json()


async def post(here, body, path=None, headers=None, **changes):
    """Status, JSON and headers of a POST."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            here.url + (path or mottak()), data=body, headers=here.headers(**changes) | (headers or MULTIPART)
        ) as answer,
    ):
        return answer.status, await answer.json(), answer.headers


def assert_whole(problem, status):
    """One body that is RFC 9457 and KS's shape at once, never empty."""
    assert problem.keys() == KS_FIELDS | PROBLEM_FIELDS
    assert problem["status"] == status
    assert isinstance(problem["timestamp"], int)
    assert problem["message"] == problem["detail"] != ""


# --- The journey --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["offentlig", "privat"])
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_report_is_stored_under_its_type_and_answered_with_its_uuid(kind, version):
    async with partner() as here:
        status, body, _ = await post(here, report(), mottak(kind, version))
        assert (status, list(body)) == (201, ["uuid"])
        ((sender, _), row) = here.intake.stored.popitem()
        assert (sender, row[0], row[2]) == (FIKS_ORG_ID, body["uuid"], f"bekymringsmelding.{kind}.{version}")
        assert (row[1].kommunenummer, row[1].bydelsnummer) == ("0301", "02")
        assert row[3] == {"bekymringsmelding": sealed(b"pdf"), "asice": sealed(b"asice")}


async def test_the_same_sealed_bytes_get_the_same_uuid():
    async with partner() as here:
        first, again = await post(here, report()), await post(here, report(print_part=sealed(b"anew")))
        assert first[:2] == again[:2]


async def test_parts_come_in_any_order_with_any_name_and_type_and_strangers_are_dropped():
    async with partner() as here:
        body = multipart(
            [
                (b'content-disposition: form-data; filename="../../etc/passwd"; name=asice', sealed(b"a")),
                ("note", b"thrown away"),
                (b'Content-Disposition: form-data; name="bekymringsmelding"\r\nContent-Type: text/html', sealed(b"p")),
                ("note", b"even twice"),
            ]
        )
        status, _, _ = await post(here, body)
        assert status == 201
        assert {"event": "produsent.parts_dropped", "count": 2} in here.lines


async def test_a_chunked_body_with_expect_is_taken():
    async def slices():
        body = report(container=sealed(bytes(300_000)))
        for at in range(0, len(body), 7001):
            yield body[at : at + 7001]

    async with (
        partner() as here,
        aiohttp.ClientSession() as session,
        session.post(here.url + mottak(), data=slices(), headers=here.headers() | MULTIPART, expect100=True) as answer,
    ):
        assert answer.status == 201


async def test_a_part_of_one_byte_chunks_is_put_together():
    async def drops():
        for octet in report():
            yield bytes([octet])

    async with (
        partner() as here,
        aiohttp.ClientSession() as session,
        session.post(here.url + mottak(), data=drops(), headers=here.headers() | MULTIPART) as answer,
    ):
        assert answer.status == 201
        assert next(iter(here.intake.stored.values()))[3]["asice"] == sealed(b"asice")


async def test_the_sender_reads_its_own_history_and_nobody_elses():
    async with partner() as here:
        _, body, _ = await post(here, report())
        own = f"{BASE}/v1/mottak/fagsystem/{FIKS_ORG_ID}/bekymringsmelding/{body['uuid']}/status"
        assert await get(here, own) == [
            {
                "bekymringsmeldingId": body["uuid"],
                "tidspunkt": "2026-11-22T13:00:00.000",
                "tilstand": "AKSEPTERT",
                "beskrivelse": "Mottatt",
            }
        ]
        other_id, other_org = "99999999-7f0f-4d1c-9f53-6f3f3c1f9a10", "88888888-4f06-4a33-9d7e-5ffbd0a2a6c3"
        here.directory[other_id] = Client(id=other_id, fiks_org_id=other_org)
        foreign = await get(here, own.replace(FIKS_ORG_ID, other_org), 404, IntegrasjonId=other_id)
        assert_whole(foreign, 404)


# --- The catalogue ------------------------------------------------------------------------------------------------


async def test_version_1_holds_exactly_its_fields_and_version_2_adds_two():
    async with partner() as here:
        (bydel, _) = await get(here, f"{BASE}/v1/kommuner/0301/bydeler")
        assert bydel == {"bydelsnummer": "01", "bydelsnavn": "Gamle Oslo", "standardMottaker": False}
        (bydel, _) = await get(here, f"{BASE}/v2/kommuner/0301/bydeler")
        assert bydel.keys() == {"bydelsnummer", "bydelsnavn", "standardMottaker", "stottetVersjon"}
        keys = await get(here, f"{BASE}/v1/mottak/fagsystem/0301/02/krypteringsnokler")
        assert keys.keys() == {"printOffentligNokkel", "fiksIOOffentligNokkel"}
        fields = {"nokkel", "validFrom", "validTo", "serial", "subjectDN", "issuerDN"}
        assert all(key.keys() == fields for key in keys.values())
        keys = await get(here, f"{BASE}/v2/mottak/fagsystem/0301/02/krypteringsnokler")
        assert {name: key["gyldig"] for name, key in keys.items()} == {
            "printOffentligNokkel": False,
            "fiksIOOffentligNokkel": True,
        }


async def test_municipalities_counties_and_offices_are_listed():
    async with partner() as here:
        assert {"kommunenr": "4601", "navn": "Bergen"} in await get(here, f"{BASE}/v2/kommuner?sprakKode=nb")
        assert await get(here, f"{BASE}/v2/kommuner/fylker") == [
            {"fylkenr": "03", "navn": "Oslo"},
            {"fylkenr": "46", "navn": "Vestland"},
        ]
        vestland = await get(here, f"{BASE}/v2/kommuner/fylker/46/kommuner")
        assert [row["kommunenr"] for row in vestland] == ["4601", "4624"]
        assert (await get(here, f"{BASE}/v1/kommuner/4601"))["bydeler"] == [
            {"bydelsnummer": "00", "bydelsnavn": "Barneverntjenesten", "standardMottaker": True}
        ]
        assert (await get(here, f"{BASE}/v2/kommuner/0301/bydeler/02"))["bydelsnavn"] == "Grünerløkka"


async def test_an_unknown_municipality_has_no_districts_and_nothing_else():
    async with partner() as here:
        assert await get(here, f"{BASE}/v1/kommuner/9999/bydeler") == []
        for path in (
            "kommuner/9999",
            "kommuner/9999/bydeler/00",
            "kommuner/0301/bydeler/00",
            "kommuner/fylker/99/kommuner",
            "mottak/fagsystem/9999/00/krypteringsnokler",
            "mottak/fagsystem/0301/77/krypteringsnokler",
            "nothing-here",
        ):
            assert_whole(await get(here, f"{BASE}/v2/{path}", 404), 404)
        status, problem, _ = await post(here, report(), mottak(office="9999/00"))
        assert_whole(problem, status)
        assert status == 404


# --- Every bad input ----------------------------------------------------------------------------------------------


async def test_wrong_password_unknown_integration_and_bad_token_get_one_and_the_same_401():
    async with partner() as here:
        stranger, wrong_scope = TokenIssuer(), here.issuer.token(scope="ks:svarut")
        tries = [
            {"IntegrasjonPassord": "wrong"},
            {"IntegrasjonPassord": ...},
            {"IntegrasjonId": "00000000-0000-4000-8000-000000000000"},
            {"IntegrasjonId": "not a uuid"},
            {"IntegrasjonId": ...},
            {"Authorization": ...},
            {"Authorization": "Basic dXNlcjpwYXNz"},
            {"Authorization": "Bearer "},
            {"Authorization": f"Bearer {stranger.token()}"},
            {"Authorization": f"Bearer {wrong_scope}"},
            {"Authorization": f"Bearer {here.issuer.token(exp=0, iat=0)}"},
        ]
        texts = set()
        for changes in tries:
            status, problem, headers = await post(here, report(), **changes)
            assert_whole(problem, 401)
            assert headers["WWW-Authenticate"] == "Bearer"
            texts.add((status, problem["detail"], problem["code"], problem["path"]))
        assert len(texts) == 1
        assert here.intake.stored == {}


FAULTS = {
    "wrong password": ({"IntegrasjonPassord": "wrong"}, {}, "unauthenticated", "Send a valid access token"),
    "wrong scope": ({"scope": "ks:svarut"}, {}, "unauthenticated", "Send a valid access token"),
    "no right": ({"rights": frozenset()}, {}, "forbidden", "Ask the operator"),
    "foreign token": ({"consumer": organisation(VENDOR)}, {}, "forbidden", "Get one for its own"),
    "foreign sender": ({}, {"path": mottak(sender=VENDOR)}, "forbidden", "Put your own fiksOrgId"),
    "unknown municipality": ({}, {"path": mottak(office="9999/00")}, "not-found", "Look it up again"),
    "part missing": ({}, {"body": multipart([("asice", sealed())])}, "bad-request", "Send both parts"),
    "part doubled": ({}, {"body": multipart([("asice", sealed())] * 2)}, "bad-request", "Send each part once"),
    "truncated": ({}, {"body": report()[:-40]}, "bad-request", "Send it again"),
    "not CMS": ({}, {"body": report(container=bytes(100))}, "bad-request", "Seal it with the key from"),
    "not multipart": ({}, {"headers": {"Content-Type": "text/plain"}}, "unsupported-media-type", "Send the body as"),
    "too large": ({}, {"body": report(container=sealed(bytes(90_000)))}, "too-large", "send less"),
    "store down": ({"fault": StoreError()}, {}, "store-unavailable", "Send it again after the time in Retry-After"),
    "disk full": ({"fault": StoreFullError()}, {}, "storage-full", "Send it again after the time in Retry-After"),
    "commit unknown": ({"fault": CommitUnknownError()}, {}, "commit-unknown", "Send the very same again"),
    "fault of ours": ({"fault": RuntimeError()}, {}, "internal", "Send the same again later"),
}


@pytest.mark.parametrize(("wrong", "sent", "code", "told"), FAULTS.values(), ids=FAULTS.keys())
async def test_every_fault_before_the_201_has_its_code_and_says_what_to_do(wrong, sent, code, told):
    async with partner(intake_settings=config.Intake(body_bytes_max=50_000)) as here:
        here.intake.fault = wrong.get("fault")
        if "rights" in wrong:
            here.directory[CLIENT_ID] = Client(rights=wrong["rights"])
        claims = {name: value for name, value in wrong.items() if name in {"scope", "consumer"}}
        changes = {"Authorization": f"Bearer {here.issuer.token(**claims)}"}
        changes |= {name: value for name, value in wrong.items() if name == "IntegrasjonPassord"}
        status, problem, _ = await post(here, **({"body": report()} | sent | changes))
        assert_whole(problem, status)
        assert (problem["code"], told in problem["detail"]) == (code, True), problem["detail"]
        may_be_stored = code in {"commit-unknown", "internal"}
        assert not (may_be_stored and "nothing was stored" in problem["detail"].lower())


async def test_white_space_around_the_password_is_no_fault():
    async with partner() as here:
        assert await get(here, f"{BASE}/v1/kommuner", IntegrasjonPassord=" correct-horse-battery-staple\t")


async def test_a_foreign_organisation_is_403():
    async with partner() as here:
        token = here.issuer.token(consumer=organisation(VENDOR))
        status, problem, _ = await post(here, report(), Authorization=f"Bearer {token}")
        assert_whole(problem, 403)
        status, problem, _ = await post(here, report(), mottak(sender="88888888-4f06-4a33-9d7e-5ffbd0a2a6c3"))
        assert_whole(problem, 403)
        assert (status, here.intake.stored) == (403, {})


async def test_a_supplier_by_delegation_may_send_with_its_own_integration():
    async with partner() as here:
        here.directory[CLIENT_ID] = Client(organisation_numbers=frozenset({VENDOR}))
        token = here.issuer.token(supplier=organisation(VENDOR), delegation_source="https://altinn.example/")
        assert (await post(here, report(), Authorization=f"Bearer {token}"))[0] == 201


async def test_an_integration_without_the_right_is_403_and_may_still_look_up():
    async with partner() as here:
        here.directory[CLIENT_ID] = Client(rights=frozenset())
        status, problem, _ = await post(here, report())
        assert_whole(problem, 403)
        assert status == 403
        assert await get(here, f"{BASE}/v1/kommuner")


BAD_BODIES = {
    "container missing": multipart([("bekymringsmelding", sealed())]),
    "print part missing": multipart([("asice", sealed())]),
    "no part": multipart([]),
    "container doubled": multipart([("bekymringsmelding", sealed()), ("asice", sealed()), ("asice", sealed())]),
    "print part doubled": multipart([("bekymringsmelding", sealed())] * 2 + [("asice", sealed())]),
    "truncated in the closing boundary": report()[:-5],
    "truncated in the container": report()[:-40],
    "truncated in a header": report()[:30],
    "container not CMS": report(container=b"PK\x03\x04" + bytes(100)),
    "print part not CMS": report(print_part=b"%PDF-1.7 " + bytes(100)),
    "container empty": multipart([("bekymringsmelding", sealed()), ("asice", b"")]),
    "signed instead of sealed": report(container=sealed().replace(b"\x01\x07\x03", b"\x01\x07\x02")),
    "empty body": b"",
    "33 parts": multipart([("note", b"")] * 33),
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_bad_body_is_400_and_stores_nothing(body):
    async with partner() as here:
        status, problem, _ = await post(here, body)
        assert_whole(problem, 400)
        assert (status, here.intake.stored) == (400, {})


async def test_a_body_that_is_no_multipart_is_415():
    async with partner() as here:
        for kind in ("application/json", "multipart/mixed; boundary=frontier", "text/plain"):
            status, problem, _ = await post(here, report(), headers={"Content-Type": kind})
            assert_whole(problem, 415)
            assert status == 415


async def test_too_large_is_413_by_announced_length_and_by_counting():
    async def endless():
        yield report(container=sealed(bytes(90_000)))

    small = config.Intake(body_bytes_max=50_000)
    async with partner(intake_settings=small) as here:
        for body in (report(container=sealed(bytes(90_000))), endless()):
            status, problem, _ = await post(here, body)
            assert_whole(problem, 413)
            assert (status, here.intake.stored) == (413, {})
        assert (await post(here, report(container=sealed(bytes(40_000)))))[0] == 201


async def test_store_down_is_503_with_a_wait_and_disk_full_is_507():
    async with partner() as here:
        for fault, expected in ((StoreError("secret cause"), 503), (StoreFullError("secret cause"), 507)):
            here.intake.fault = fault
            status, problem, headers = await post(here, report())
            assert_whole(problem, expected)
            assert (status, headers["Retry-After"]) == (expected, "30")
            assert "secret cause" not in json.dumps(problem)
        here.intake.fault = RuntimeError("secret cause")
        status, problem, _ = await post(here, report())
        assert_whole(problem, 500)
        assert "secret cause" not in json.dumps(problem) + repr(here.lines)
        assert status == 500


@pytest.mark.proves("promise-8")
async def test_too_many_at_once_is_429_for_one_client_and_reserves_a_quarter_for_reports():
    settings = config.Intake(concurrent_max=4, concurrent_per_client_max=2)
    async with partner(intake_settings=settings) as here:
        here.intake.hold = asyncio.Event()
        running = [asyncio.create_task(post(here, report(container=sealed(bytes([n]))))) for n in range(2)]
        for _ in running:
            await here.intake.arrivals.get()
        status, problem, headers = await post(here, report())
        assert_whole(problem, 429)
        assert (status, headers["Retry-After"]) == (429, "2")
        for number in range(1, 3):
            other = f"0000000{number}-7f0f-4d1c-9f53-6f3f3c1f9a10"
            here.directory[other] = Client(id=other)
        first, second = list(here.directory)[1:]
        running.append(asyncio.create_task(post(here, report(), IntegrasjonId=first)))
        await here.intake.arrivals.get()
        busy = await get(here, f"{BASE}/v1/kommuner", 503, IntegrasjonId=second)  # three of four: the rest is kept
        assert busy["code"] == "busy"
        running.append(asyncio.create_task(post(here, report(container=sealed(b"4th")), IntegrasjonId=second)))
        await here.intake.arrivals.get()
        here.intake.hold.set()
        assert [answer[0] for answer in await asyncio.gather(*running)] == [201] * 4


async def test_a_sender_that_hangs_up_leaves_nothing_and_its_place():
    settings = config.Intake(concurrent_max=1, concurrent_per_client_max=1)
    async with partner(intake_settings=settings) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in (here.headers() | MULTIPART).items())
        writer.write(f"POST {mottak()} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 9000\r\n\r\n".encode())
        writer.write(report()[:150])
        await here.intake.arrivals.get()
        writer.close()
        await writer.wait_closed()
        del reader
        await here.lines.wait_for("http.request")
        assert here.intake.stored == {}
        assert (await post(here, report()))[0] == 201
