"""Header frames of Fiks IO's broker: whatever of one the AMQP library lets through, ours must make something of."""

import struct
import uuid

from pamqp import commands, encode, header

from adapters.fiks.delivery import Arrived, Reader
from adapters.fiks.headers import read_headers
from adapters.fiks.settings import FiksAccount
from gateway.ports import SystemClock
from gateway.spi import Receipt
from tests.fiks_kit import REPORT, REPORTS, TYPES, NoBlobs
from tests.security import fuzz_mutations as damage
from tests.security.fuzz import Target

FRAME_BYTES_MAX = 131_072
ACCOUNT = FiksAccount(id=str(uuid.uuid4()), kommunenummer="4601", protocols=(REPORTS,))
READER = Reader(TYPES, NoBlobs(), SystemClock())
TABLE = {"melding-id": str(uuid.uuid4()), "type": REPORT, "avsender-id": str(uuid.uuid4())}
CUSTOM = "egendefinert-header."
TABLES = (
    TABLE,
    TABLE | {CUSTOM + "klientMeldingId": "7", CUSTOM + "klientKorrelasjonId": "samtale", "x-delivery-count": 2},
    TABLE | {"dokumentlager-id": str(uuid.uuid4()), "avsender-navn": "Prøveportalen", "x-death": [{"count": 1}]},
    TABLE | {"type": "no.ks.fiks.kvittering.tidsavbrudd", "svar-til": str(uuid.uuid4()), "svar-til-type": REPORT},
)
WORDS = damage.tokens(
    b"S", b"I", b"F", b"A", b"V", b"x", b"T", *(name.encode() for name in (*TABLE, "svar-til", CUSTOM))
)


def amqp_target() -> Target:
    """The properties of a delivery, as octets of its header frame."""
    return Target(
        "amqp-headers", _read, [_frame(table) for table in TABLES], (WORDS, damage.octets), (), 420, [_crowd()]
    )


def _frame(table, expiration="86400000"):
    properties = commands.Basic.Properties(headers=table, expiration=expiration)
    return header.ContentHeader(body_size=1, properties=properties).marshal()


def _crowd():
    """As many headers as a frame holds, each of them one that is kept."""
    table, number = dict(TABLE), 0
    while len(encode.field_table(table)) < FRAME_BYTES_MAX - 4096:
        table |= {f"{CUSTOM}{number + more}": "" for more in range(100)}
        number += 100
    return _frame(table)


def _read(data):
    found = header.ContentHeader()
    try:
        found.unmarshal(data)
    except (ValueError, struct.error, OverflowError, OSError, RecursionError):  # the library's: the connection ends
        return None
    properties = found.properties
    message = Arrived(ACCOUNT, read_headers(properties.headers, properties.expiration), b"x", False, _told, _told)
    return [
        brought
        if isinstance(brought, Receipt)
        else (brought.fault, brought.answer_to, brought.message_type, brought.headers)
        for brought in READER.read(message)
    ]


async def _told():
    pass
