"""Somebody who reports: fills in the portal's form, rightly or with a fault of ``gateway.simulators.feil``."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from gateway.errors import ConfigError, UnknownResourceError
from gateway.simulators.feil import SENDING_FAULTS, Bench, Feil, build
from gateway.simulators.fiks.offices import Bydel
from gateway.simulators.fiks.parcel import Keys
from gateway.simulators.fiks.portal import Followed, Portal
from gateway.simulators.fiks.register import Register
from gateway.simulators.sample import Form, Office, Report, Version, make_report
from gateway.simulators.seal import Receivers


class Reporter:
    """Makes reports, each one of a kind. ``reference`` is a copy of KS's protocol folder, whose samples are taken then."""

    def __init__(self, portal: Portal, register: Register, keys: Keys, *, reference: Path | None = None) -> None:
        self._portal = portal
        self._register = register
        self._keys = keys
        self._reference = reference
        self._numbers = count(1)

    async def report(
        self, office: Bydel, form: Form = Form.OFFENTLIG, version: Version | None = None, feil: Feil | None = None
    ) -> Followed:
        """Report to an office. Raises ConfigError for a fault of sending, UnknownResourceError without a key to seal for."""
        if feil in SENDING_FAULTS:
            message = "the portal has no such fault: it concerns the upload"
            raise ConfigError(message)
        version = version or office.stottet_versjon
        report = self.write(office, form, version)
        return await self._portal.forward(office, form, version, await self._sealed(report, office, feil))

    def write(self, office: Bydel, form: Form, version: Version) -> Report:
        """A report that nobody sealed yet."""
        address = Office(office.kommunenummer, office.kommunenavn, office.bydelsnummer, office.bydelsnavn)
        number = next(self._numbers)
        return make_report(form, version, address, number=number, leveringskanal="Fagsystem", reference=self._reference)

    async def _sealed(self, report: Report, office: Bydel, feil: Feil | None) -> bytes:
        certificate = self._register.account(office.konto_id).certificate
        if certificate is None:
            message = "the office has no key to seal for"
            raise UnknownResourceError(message)
        receivers = Receivers(container=certificate, print_part=certificate)  # the portal itself prints
        bench = Bench(report, receivers, self._keys.signing, datetime.now(UTC), self._keys.sign_sha1)
        return (await asyncio.to_thread(build, feil, bench)).container
