"""S42: whatever a sender names a document, the answer has one Content-Disposition, no header more, and its body."""

import ast
from urllib.parse import quote, unquote

import pytest

from gateway.crashpoints import Point
from gateway.store.tables import document
from tests.conftest import ROOT
from tests.edge_kit import one
from tests.reports import TestDelivery
from tests.work import work_off

PDF = "bekymringsmelding.pdf"
HOSTILE = [
    "a\r\nSet-Cookie: x=1\r\n\r\n<script>.pdf", "a\nb.pdf", "a\rb.pdf", "a\x00b.pdf", "a\x7fb.pdf", "a\x85b.pdf", "a\u2028b.pdf",
    'a"; filename="b.exe', "a'b''c.pdf", "a\\b.pdf", "a;b=c,d.pdf", "a%0d%0aX: y.pdf", "UTF-8''x.pdf", " a .pdf",
    "\u202efdp.exe", "\u2066a\u2069.pdf", "æøå.pdf", "報告.pdf", "😀.pdf", "e\u0301.pdf", "../../etc/passwd", "a" * 200,
]  # fmt: skip
MEDIA_TYPES = ["a/b\r\nX-Y: z", "text/html; charset=x", "", "æ/ø", 'a/b"', "application/pdf\n"]


@pytest.fixture
async def ready(env, intake, sender):
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    return accepted.id


async def change(env, message_id, **values):
    """As if every check before had let it through."""
    row = document.update().where(document.c.message_id == message_id, document.c.purpose == f"document:{PDF}")
    await env.store.write(lambda conn: conn.execute(row.values(**values)), Point.ADMIN)


async def served(case_system, message_id, name):
    """Status line and headers in order, and the body, as they came off the socket."""
    path = f"/api/v1/messages/{message_id}/documents/{quote(name, safe='')}"
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {case_system.token()}\r\n\r\n"
    head, _, body = (await one(case_system.port, request.encode())).partition(b"\r\n\r\n")
    status, *lines = head.decode("ascii").split("\r\n")
    return status, [tuple(line.split(": ", 1)) for line in lines], body


@pytest.mark.proves("S42")
async def test_hostile_file_names_in_headers(case_system, env, ready):
    status, plain, body = await served(case_system, ready, PDF)
    assert (status[9:12], dict(plain)["Content-Disposition"][-24:]) == ("200", f"UTF-8''{PDF}"[-24:])  # the control
    for name in HOSTILE:
        await change(env, ready, name=name)
        status, headers, again = await served(case_system, ready, name)
        assert (status[9:12], again) == ("200", body), ascii(name)
        assert [key for key, _ in headers] == [key for key, _ in plain], ascii(name)
        told = dict(headers)["Content-Disposition"].removeprefix("attachment; filename*=UTF-8''")
        assert told.isprintable()
        assert set(told).isdisjoint("\"'();,/\\ \r\n"), ascii(name)
        assert unquote(told, errors="strict") == name


@pytest.mark.proves("S42")
async def test_hostile_media_types_in_headers(case_system, env, ready):
    for kind in MEDIA_TYPES:
        await change(env, ready, media_type=kind)
        status, headers, body = await served(case_system, ready, PDF)
        types = [value for key, value in headers if key == "Content-Type"]
        assert (status[9:12], types) == ("200", ["application/octet-stream"]), ascii(kind)
        assert body.startswith(b"%PDF")


@pytest.mark.proves("S42")
async def test_names_that_a_sender_can_really_sign_come_out_as_they_were(case_system, env, intake, sender):
    """From the sender's container through signature, opening and store to the socket."""
    names = ['"quoted; name".pdf', "æøå 報告 😀.pdf", "a'b,c;d=e.pdf"]
    report = sender.report()
    documents = {PDF: report.pdf, **{name: name.encode() for name in names}}
    parts = {"bekymringsmelding": sender.printed(report.pdf), "asice": sender.sealed(sender.container(documents))}
    accepted = await intake.accept(TestDelivery(parts))
    await work_off(env)
    for name in names:
        status, headers, body = await served(case_system, accepted.id, name)
        assert (status[9:12], body) == ("200", name.encode())
        (told,) = [value for key, value in headers if key == "Content-Disposition"]
        assert unquote(told.partition("''")[2]) == name


# Header values that are no constants, and why they hold nothing from outside.
OF_OUR_OWN = {
    "f'bytes {start}-{stop - 1}/{document.size}'": "numbers",
    "f'{route_of(request)}/{message_id}'": "the route's template and our own id",
    "location": "the route's template and our own id",
    "str(self.retry_after_s)": "a number",
    "request[_ID]": "our own id of the request",
    "_CACHEABLE": "a constant",
    "CONTENT_TYPE_LATEST": "a constant",
    "attachment(document.name)": "the encoder",
    "media_type(document.media_type)": "the encoder",
}


def header_values(module):
    """The source of each value that is put under a header's name: in a dict or by subscript of ``headers``."""
    for node in ast.walk(module):
        if isinstance(node, ast.keyword) and node.arg == "headers" and isinstance(node.value, ast.Dict):
            yield from node.value.values
        if isinstance(node, ast.Assign) and any("headers" in ast.unparse(target) for target in node.targets):
            yield from node.value.values if isinstance(node.value, ast.Dict) else [node.value]


READ_ONLY = {"facade.py", "multipart.py"}  # their headers are those that came in


@pytest.mark.proves("S42")
def test_no_other_header_is_built_from_anything_but_constants_and_our_own_values():
    found = {
        ast.unparse(value)
        for file in sorted((ROOT / "gateway" / "http").glob("*.py"))
        if file.name not in READ_ONLY
        for value in header_values(ast.parse(file.read_text("utf-8")))
        if not isinstance(value, ast.Constant)
    }
    assert found == set(OF_OUR_OWN)
