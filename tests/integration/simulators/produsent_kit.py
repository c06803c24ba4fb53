"""What the tests of the producer client share: one municipality, its reports, and an upload taken apart."""

import io
from datetime import UTC, datetime

from gateway.crypto.cms import open_envelope
from gateway.crypto.keys import SoftwareKey
from gateway.crypto.profiles import FIKS_ENVELOPE, PRINT_PART
from gateway.simulators.sample import Form, Office, make_report

INTEGRATION = "11111111-2222-4333-8444-555555555555"
OFFICE = Office("9901", "Prøvedal", "02", "Prøvedal vest")
ROWS = [
    {"bydelsnummer": "01", "bydelsnavn": "Prøvedal øst", "standardMottaker": False, "stottetVersjon": "V1"},
    {"bydelsnummer": "02", "bydelsnavn": "Prøvedal vest", "standardMottaker": True, "stottetVersjon": "V2"},
]


def report(number=1, form=Form.OFFENTLIG, version="V2"):
    return make_report(form, version, OFFICE, number=number, sent_at=datetime(2026, 3, 2, 8, 24, 45, tzinfo=UTC))


async def sent(produsent, feil=None, **options):
    return await produsent.send(report(**options), await produsent.receiver("9901"), feil)


def parts_of(call):
    """Each part's head and content, in order, by the rules of RFC 2046."""
    boundary = call.header("Content-Type").removeprefix("multipart/form-data; boundary=")
    first, *rest = (b"\r\n" + call.body).split(f"\r\n--{boundary}".encode())
    assert first == b""
    assert rest.pop() == b"--\r\n"
    return [tuple(part.removeprefix(b"\r\n").split(b"\r\n\r\n", 1)) for part in rest]


def opened(call, receive_keys):
    """The print part and the container of an upload, decrypted with the receiver's keys."""
    plain = []
    for (_, content), credential, profile in zip(
        parts_of(call), reversed(receive_keys), (PRINT_PART, FIKS_ENVELOPE), strict=True
    ):
        key = SoftwareKey(credential.key, credential.chain)
        plain.append(b"".join(open_envelope(io.BytesIO(content).read, [key], profile)))
    return plain
