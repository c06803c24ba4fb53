"""S29: a name from outside is looked up, shown and escaped, and is never a path."""

from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from gateway.crypto.certificate_facts import facts_of
from gateway.simulators.case_system import _NAME
from gateway.simulators.feil import Bench, Feil, build
from gateway.simulators.seal import Receivers
from tests.edge_kit import MULTIPART, mottak, multipart, one, partner, sealed
from tests.reports import TestDelivery
from tests.work import state_of, work_off

HOSTILE = [
    "../../../../etc/passwd", "..", ".", "/etc/passwd", "\\\\server\\share", "C:\\Windows\\win.ini", "a/../../b",
    "%2e%2e%2fetc", "..%c0%af..", "a\x00b", "con", "nul.pdf", "bekymringsmelding.pdf/", "bekymringsmelding.pdf/.",
    "./bekymringsmelding.pdf", "BEKYMRINGSMELDING.PDF", "bekymringsmelding.pdf\u202e", "\u202efdp.exe", "~root", "$(id)",
    "`id`", "| id", "a\r\nSet-Cookie: x=1", 'a"; filename="b', "a" * 300, " ", "*", "file:///etc/passwd",
]  # fmt: skip


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
async def ready(env, intake, sender):
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    return accepted.id


@pytest.mark.proves("S29")
async def test_a_document_s_name_is_an_equality_in_the_message_s_own_list(case_system, ready):
    for name in HOSTILE:
        for written in (quote(name, safe=""), quote(quote(name, safe=""), safe="")):
            status, body, _ = await case_system.call("GET", f"/messages/{ready}/documents/{written}")
            assert status in {400, 404}, name
            assert "root:" not in repr(body)
    assert (await case_system.call("GET", f"/messages/{ready}/documents/bekymringsmelding.pdf"))[
        0
    ] == 200  # the control


@pytest.mark.proves("S29")
@pytest.mark.parametrize("feil", [Feil.PATH_TRAVERSAL, Feil.DUPLICATE_NAMES, None], ids=str)
async def test_a_name_inside_the_container_makes_no_file(env, intake, sender, feil, tmp_path):
    receivers = Receivers(
        container=facts_of(sender.office.receive.decryption_keys()[0].certificate),
        print_part=facts_of(sender.office.print_part.decryption_keys()[0].certificate),
    )
    sealed_up = build(feil, Bench(sender.report(), receivers, sender.key, datetime.now(UTC), None))
    outside = files(tmp_path.parent)
    accepted = await intake.accept(
        TestDelivery({"bekymringsmelding": sealed_up.print_part, "asice": sealed_up.container})
    )
    await work_off(env)
    assert await state_of(env, accepted.id) == ("READY" if feil is None else "QUARANTINED")
    for path in set(files(tmp_path.parent)) - set(outside):
        assert path.startswith(f"{tmp_path.name}/var/")
        assert all(part.isascii() and len(part) <= 36 for part in path.split("/")[2:]), path


@pytest.mark.proves("S29")
async def test_names_of_parts_and_addresses_make_no_file():
    async with partner() as here:
        for name in HOSTILE:
            escaped = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22").replace("\x00", "%00")
            body = multipart([("bekymringsmelding", sealed()), ("asice", sealed(name.encode("utf-8", "replace")))])
            head = f'Content-Disposition: form-data; name="asice"; filename="{escaped}"'.encode()
            body = body.replace(b'Content-Disposition: form-data; name="asice"', head)
            lines = "".join(f"{key}: {value}\r\n" for key, value in (here.headers() | MULTIPART).items())
            request = f"POST {mottak()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}Content-Length: {len(body)}"
            answer = await one(here.port, request.encode() + b"\r\n\r\n" + body)
            assert answer.startswith((b"HTTP/1.1 201 ", b"HTTP/1.1 400 ")), name
        for stored in here.intake.stored.values():
            assert stored[3].keys() == {"bekymringsmelding", "asice"}


@pytest.mark.proves("S29")
@pytest.mark.parametrize("office", ["../02", "4601/..", "%2e%2e/02", "4601/0002", "46 01/02", "٤٦٠١/02"])
async def test_an_address_that_is_none_is_an_error_and_stores_nothing(office):
    async with partner() as here:
        path = quote(mottak(office=office), safe="/%")
        body = multipart([("bekymringsmelding", sealed()), ("asice", sealed())])
        lines = "".join(f"{key}: {value}\r\n" for key, value in (here.headers() | MULTIPART).items())
        request = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}Content-Length: {len(body)}"
        answer = await one(here.port, request.encode() + b"\r\n\r\n" + body)
        assert answer[9:12] in {b"400", b"404", b"405"}
        assert here.intake.stored == {}


@pytest.mark.proves("S29")
def test_the_reference_case_system_writes_no_such_file_either():
    assert [
        name for name in HOSTILE if _NAME.fullmatch(name) and ("/" in name or "\\" in name or name in {".", ".."})
    ] == []
    assert _NAME.fullmatch("bekymringsmelding.pdf")
