"""Reports sealed for a site, as deliveries of a road: what the tests of the pipeline send."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.crypto.asice import ContainerWriter
from gateway.crypto.cms import EnvelopeWriter
from gateway.crypto.keys import SigningKey, SoftwareKey
from gateway.crypto.profiles import FIKS_ENVELOPE, PRINT_PART
from gateway.domain.identifiers import TenantId
from gateway.pipeline.environment import Environment
from gateway.simulators.sample import Form, Office, Report, Version, make_report
from gateway.spi import Address, Stream
from gateway.testing.site import BYDELSNUMMER, KOMMUNENUMMER, Site

SENDER_FIKS_ORG_ID = "11111111-2222-4333-8444-555566667777"


@dataclass
class TestDelivery:
    """A delivery made of bytes."""

    __test__ = False

    part_bytes: dict[str, bytes]
    address: Address = field(default_factory=lambda: Address(KOMMUNENUMMER, BYDELSNUMMER))
    message_type: str = "bekymringsmelding.offentlig.v2"
    sender: str = SENDER_FIKS_ORG_ID
    road: str = "fiks-produsent"
    sealed_part: str = "asice"
    remote_id: str | None = None
    headers: Mapping[str, str] = field(
        default_factory=lambda: {"client-id": "produsent-1", "organisation-number": "987654325"}
    )
    answer_to: str | None = None
    fault: str | None = None
    blob: str | None = None
    acknowledged: int = 0
    chunk: int = 65536

    async def parts(self) -> AsyncIterator[tuple[str, Stream]]:
        for name, raw in self.part_bytes.items():
            yield name, self._stream(raw)

    async def _stream(self, raw: bytes) -> Stream:
        for start in range(0, len(raw), self.chunk):
            yield raw[start : start + self.chunk]

    async def acknowledge(self) -> None:
        self.acknowledged += 1

    async def give_back(self) -> None:
        return


class Sender:
    """Seals reports for the site's office."""

    def __init__(self, site: Site, env: Environment) -> None:
        self.site = site
        self.office = env.offices.of(site.tenant)
        self.at = datetime.now(UTC)
        self.key: SigningKey = SoftwareKey(site.sender.key, site.sender.chain)

    def report(self, number: int = 1, form: Form = Form.OFFENTLIG, version: Version = "V2") -> Report:
        """A sample report to the site's office."""
        office = Office(KOMMUNENUMMER, "Bergen", BYDELSNUMMER, "Bergenhus")
        return make_report(form, version, office, number=number, sent_at=self.at)

    def container(self, documents: Mapping[str, bytes]) -> bytes:
        """Signed, in the clear."""
        out = bytearray()
        writer = ContainerWriter(out.extend, self.key, at=datetime.now(UTC))
        for name, raw in documents.items():
            kind = "application/json" if name.endswith(".json") else "application/pdf"
            writer.add(name, kind, [raw])
        writer.close()
        return bytes(out)

    def sealed(self, raw: bytes) -> bytes:
        """Bytes sealed for the office's receive key."""
        return _envelope(self.office.receive.decryption_keys()[0].certificate, FIKS_ENVELOPE, raw)

    def printed(self, raw: bytes) -> bytes:
        """Bytes sealed for the office's print key."""
        return _envelope(self.office.print_part.decryption_keys()[0].certificate, PRINT_PART, raw)

    def parts(self, report: Report) -> dict[str, bytes]:
        """Both parts of an upload."""
        documents = {"bekymringsmelding.json": report.json, "bekymringsmelding.pdf": report.pdf}
        return {"bekymringsmelding": self.printed(report.pdf), "asice": self.sealed(self.container(documents))}

    def delivery(self, number: int = 1, form: Form = Form.OFFENTLIG, version: Version = "V2") -> TestDelivery:
        """A whole report on its way in."""
        parts = self.parts(self.report(number, form, version))
        return TestDelivery(parts, message_type=f"bekymringsmelding.{form.value}.{version.lower()}")


def tenant(site: Site) -> TenantId:
    """The site's office."""
    found = TenantId.parse(site.tenant)
    assert found is not None
    return found


def _envelope(certificate, profile, raw: bytes) -> bytes:
    out = bytearray()
    writer = EnvelopeWriter(certificate, profile, out.extend)
    writer.write(raw)
    writer.close()
    return bytes(out)
