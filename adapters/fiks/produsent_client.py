"""KS's producer API from the sender's side: a report goes to another municipality's service (fiks.md 10, steps 6 and 7).

The API has no idempotency key and cannot be asked what became of a call: an upload without an answer is uncertain, and a
person decides whether it is made once more. What was taken is followed until it is delivered.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import aiohttp
from aiohttp.payload import AsyncIterablePayload

from adapters.fiks.api import Answer, FiksApi, Json
from adapters.fiks.posting import UNREADABLE, posted
from adapters.fiks.produsent_client_directory import ProdusentDirectory
from adapters.fiks.produsent_client_settings import KsProdusentSettings, ReportSender
from adapters.fiks.produsent_client_status import NAME, ReportStatus
from gateway.spi import (
    Adapter,
    AdapterSpec,
    Address,
    ConfigError,
    Context,
    Outcome,
    Parcel,
    PrintPart,
    Refused,
    Seal,
    Stream,
    Taken,
)

FORMS: Final = frozenset({"offentlig", "privat"})
"""The forms of a report: our types' names on this channel, and the last word of the path."""

TOO_LARGE: Final = Refused("too-large", proof=True)
"""This road can never take it."""

_TOO_LARGE_STATUS: Final = 413
_DOUBTFUL: Final = frozenset({500, 502, 504})
"""The report may have been taken before something failed."""


class Senders:
    """Our municipalities at KS: each has an organisation and an integration of its own."""

    def __init__(self, settings: KsProdusentSettings, context: Context) -> None:
        self._base = settings.base_path
        self._known = {
            sender.kommunenummer: (sender, FiksApi(settings.login(sender), context)) for sender in settings.senders
        }

    def any(self) -> FiksApi:
        """For what everybody may ask."""
        return next(api for _, api in self._known.values())

    def find(self, office: Address | None) -> tuple[ReportSender, FiksApi] | None:
        """The municipality of an office."""
        return self._known.get(office.kommunenummer) if office is not None else None

    async def history(self, office: Address, uuid: str) -> Sequence[Json]:
        """The statuses of a report. Raises what ``FiksApi.rows`` does; ConfigError for an office that is not here."""
        found = self.find(office)
        if found is None:
            message = "ks-produsent: a report of a municipality that is not among senders"
            raise ConfigError(message)
        sender, api = found
        place = f"{self._base}/v2/mottak/fagsystem/{sender.fiks_org_id}/bekymringsmelding"
        return await api.rows(f"{place}/{uuid}/status")


class KsProdusent:
    """Makes one attempt (``spi.Outbound``)."""

    def __init__(self, settings: KsProdusentSettings, context: Context, senders: Senders) -> None:
        self._settings = settings
        self._log = context.log
        self._senders = senders

    @property
    def idempotent(self) -> bool:
        """Never: two uploads are two reports."""
        return False

    async def status(self, parcel: Parcel) -> Outcome | None:
        """None: reports can be asked about by the uuid of their answer alone."""
        del parcel
        return None

    async def send(self, parcel: Parcel) -> Outcome:
        """See ``spi.Outbound``."""
        found, copy = self._senders.find(parcel.office), parcel.print_part
        if found is None:
            return Refused("sender-unknown")
        if copy is None or parcel.channel_type not in FORMS:
            return Refused("no-report")
        size = _form(parcel, copy).size or 0
        if size > self._settings.body_bytes_max:
            return TOO_LARGE
        sender, api = found
        address, version = copy.office.address, copy.office.version.lower()
        answer = await posted(
            api,
            f"{self._settings.base_path}/{version}/mottak/fagsystem/{sender.fiks_org_id}"
            f"/{address.kommunenummer}/{address.bydelsnummer}/{parcel.channel_type}",
            lambda: _form(parcel, copy),
            size,
            doubtful=_DOUBTFUL,
            log=self._log,
        )
        if answer == Refused(f"status-{_TOO_LARGE_STATUS}"):
            return TOO_LARGE
        return _taken(answer) if isinstance(answer, Answer) else answer


class _Sized(AsyncIterablePayload):
    """A stream of known length, so that the upload has one, too."""

    def __init__(self, stream: Stream, size_bytes: int) -> None:
        super().__init__(stream)
        self._size = size_bytes


def _form(parcel: Parcel, copy: PrintPart) -> aiohttp.MultipartWriter:
    """Both parts in their order and under KS's names; each try has streams of its own."""
    form = aiohttp.MultipartWriter("form-data")
    for name, file, content, size_bytes in (
        ("bekymringsmelding", "bekymringsmelding.pdf", copy.content, copy.size_bytes),
        ("asice", "asice.zip", parcel.content, parcel.size_bytes),
    ):
        part = form.append_payload(_Sized(content(), size_bytes))
        part.set_content_disposition("form-data", name=name, filename=file)
    return form


def _taken(answer: Answer) -> Outcome:
    """The report's uuid. It is not delivered yet."""
    uuid = answer.body.get("uuid") if answer.body is not None else None
    try:
        return Taken(str(UUID(uuid))) if isinstance(uuid, str) else UNREADABLE
    except ValueError:
        return UNREADABLE


@asynccontextmanager
async def _open(settings: KsProdusentSettings, context: Context) -> AsyncIterator[Adapter]:
    senders = Senders(settings, context)
    yield Adapter(
        inbound=ReportStatus(settings, context, senders.history),
        outbound=KsProdusent(settings, context, senders),
        directory=ProdusentDirectory(senders.any(), settings.base_path, context.clock),
        seal=Seal.FIKS_REPORT,
    )


ADAPTER = AdapterSpec(name=NAME, settings=KsProdusentSettings, open=_open)
