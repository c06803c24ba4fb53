"""What Digipost lets an office's account do, and its bounds: for whoever looks at a letter before it is sent (digipost.md 4.7)."""

from collections.abc import Mapping

from adapters.digipost.api import DigipostApi
from adapters.digipost.settings import LetterSender
from adapters.digipost.wire import read_features
from gateway.spi import PartnerRefusedError


async def features(api: DigipostApi, sender: LetterSender) -> Mapping[str, str]:
    """Features by name, each with its parameter; empty where the account is unknown or gave us no grant: the two look alike.

    Raises what calls do, PartnerRefusedError for a no.
    """
    reply = await api.get("get_sender_information", f"/{sender.sender_id}")
    if not reply.good:
        message = f"digipost: sender information refused with {reply.status}"
        raise PartnerRefusedError(message)
    return read_features(reply.body)
