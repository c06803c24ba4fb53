"""To which office of a municipality reports go, and what they are sealed for (fiks.md 10, steps 1 and 2).

Nothing is guessed: where a municipality names no standard receiver and the sender no district, a person decides.
"""

import re
import ssl
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.fiks.api import FiksApi, Json
from gateway.errors import CertificateError
from gateway.spi import Address, Clock, PartnerUnavailableError, Refused, ReportKeys, ReportOffice, UnknownResourceError

NOT_ACTIVE: Final = Refused("not-active", proof=True)
"""An empty list: the municipality does not receive reports here. Another road may be tried."""

NO_STANDARD_RECEIVER: Final = Refused("no-standard-receiver")
NO_SUCH_DISTRICT: Final = Refused("no-such-district")
NO_ADDRESS: Final = Refused("address-malformed")

_RECIPIENT: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2}))?")
_DISTRICT: Final = re.compile(r"[0-9]{2}")
_OSLO: Final = ZoneInfo("Europe/Oslo")


class ProdusentDirectory:
    """Asks KS (``spi.ReportDirectory``). A recipient is ``4601-02``, or ``4601`` for the standard receiver."""

    def __init__(self, api: FiksApi, base: str, clock: Clock) -> None:
        self._api = api
        self._base = base
        self._clock = clock

    async def certificate(self, recipient: str) -> str:
        """What the container is sealed for. Raises what ``report_keys`` does, and UnknownResourceError."""
        keys = await self.report_keys(recipient)
        if isinstance(keys, Refused):
            raise UnknownResourceError(keys.code)
        return keys.container

    async def report_keys(self, recipient: str) -> ReportKeys | Refused:
        """The office and both its certificates.

        Raises CertificateError for one that KS calls invalid or whose time is not now; UnknownResourceError,
        PartnerUnavailableError, PartnerRefusedError, ConfigError.
        """
        found = _RECIPIENT.fullmatch(recipient)
        if found is None:
            return NO_ADDRESS
        rows = await self._api.rows(f"{self._base}/v2/kommuner/{found[1]}/bydeler")
        row = _chosen(rows, found[2])
        if isinstance(row, Refused):
            return row
        office = ReportOffice(Address(found[1], _number(row)), _version(row))
        place = f"{found[1]}/{office.address.bydelsnummer}"
        keys = await self._api.get(f"{self._base}/v2/mottak/fagsystem/{place}/krypteringsnokler")
        now = self._clock.now()
        return ReportKeys(
            office,
            container=_usable(keys.get("fiksIOOffentligNokkel"), now),
            print_part=_usable(keys.get("printOffentligNokkel"), now),
        )


def _chosen(rows: Sequence[Json], district: str | None) -> Json | Refused:
    if not rows:
        return NOT_ACTIVE
    if district is not None:
        return next((row for row in rows if row.get("bydelsnummer") == district), NO_SUCH_DISTRICT)
    standard = [row for row in rows if row.get("standardMottaker") is True]
    return standard[0] if len(standard) == 1 else NO_STANDARD_RECEIVER


def _number(row: Json) -> str:
    number = row.get("bydelsnummer")
    if not isinstance(number, str) or _DISTRICT.fullmatch(number) is None:
        message = "ks-produsent: an office without a number"
        raise PartnerUnavailableError(message)
    return number


def _version(row: Json) -> str:
    """The newest form that we write and the office reads: every office reads V1, so V1 where nothing else is said."""
    return "V2" if row.get("stottetVersjon") == "V2" else "V1"


def _usable(nokkel: object, now: datetime) -> str:
    """The PEM certificate. Its own times are judged by whoever seals; here, what KS says of it."""
    if not isinstance(nokkel, dict):
        message = "the office has no key"
        raise CertificateError(message)
    begins, ends = _time(nokkel.get("validFrom")), _time(nokkel.get("validTo"))
    early, late = begins is not None and now < begins, ends is not None and ends < now
    if nokkel.get("gyldig") is False or early or late:
        message = "KS calls the office's certificate invalid"
        raise CertificateError(message)
    try:
        return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(str(nokkel.get("nokkel")).strip()))
    except ValueError:
        message = "the office's certificate cannot be read"
        raise CertificateError(message) from None


def _time(text: object) -> datetime | None:
    """A time of this API: Norwegian local time, without an offset (decisions 4.1); None for none that can be read."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=_OSLO)
