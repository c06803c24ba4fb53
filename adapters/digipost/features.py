"""What Digipost lets an office's account do, and its bounds, held against a letter before it is sent (digipost.md 4.7)."""

from collections.abc import Mapping
from typing import Final

from adapters.digipost.api import NO_ANSWER, DigipostApi
from adapters.digipost.settings import DigipostSettings, LetterSender
from adapters.digipost.wire import read_features
from gateway.errors import GatewayError
from gateway.spi import Context, LetterDocument, PartnerRefusedError

_PREFIX: Final = "no.digipost.feature."
_FILE_SIZE: Final = f"{_PREFIX}validation.digipost.file-size"
_FILE_TYPES: Final = f"{_PREFIX}validation.digipost.allowed-file-types"


class Accounts:
    """What each office's account takes, as Digipost last told. What it has not told bounds nothing: Digipost refuses itself."""

    def __init__(self, settings: DigipostSettings, context: Context, api: DigipostApi) -> None:
        self._settings = settings
        self._context = context
        self._api = api
        self._features: dict[int, Mapping[str, str]] = {}

    async def refresh(self) -> None:
        """Ask for every account. A trouble leaves what was known."""
        for sender in self._settings.senders:
            try:
                self._features[sender.sender_id] = await features(self._api, sender)
            except (GatewayError, *NO_ANSWER) as error:
                self._context.log.warning("digipost.no_features", error=type(error).__name__)

    def fault(self, sender: LetterSender, document: LetterDocument) -> str | None:
        """Why an account would not take a document; None: it would."""
        told = self._features.get(sender.sender_id, {})
        size, types = told.get(_FILE_SIZE, ""), told.get(_FILE_TYPES, "")
        if (
            size.isascii()
            and size.isdecimal()
            and document.size_bytes > int(size) * self._settings.file_size_unit_bytes
        ):
            return "file-too-large"
        allowed = {one.strip().lower() for one in types.split(",")}
        return "illegal-content-type" if types and document.file_type not in allowed else None


async def features(api: DigipostApi, sender: LetterSender) -> Mapping[str, str]:
    """Features by name, each with its parameter; empty where the account is unknown or gave us no grant: the two look alike.

    Raises what calls do, PartnerRefusedError for a no.
    """
    reply = await api.get("get_sender_information", f"/{sender.sender_id}")
    if not reply.good:
        message = f"digipost: sender information refused with {reply.status}"
        raise PartnerRefusedError(message)
    return read_features(reply.body)
