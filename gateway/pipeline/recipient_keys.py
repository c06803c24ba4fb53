"""The recipient's own keys: what a parcel is sealed for now, and by which fingerprint rule R18 knows it again (barnevern.md 9).

A fingerprint is the SHA-256 (hex) of the key's SubjectPublicKeyInfo; where a parcel is sealed for two keys, of both, one after
the other. A person's key is known by an HMAC of its fingerprint under the office's index key: the key itself is known to other
senders, too, and would tell who somebody is.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from gateway import limits
from gateway.crypto.published import fingerprint, recipient_certificate
from gateway.domain.routing import LOOPBACK
from gateway.errors import PolicyError, TrustError, UnknownResourceError
from gateway.pipeline.enclose import CANNOT_SEAL, RECIPIENT_UNKNOWN
from gateway.pipeline.envelope_letter import Person
from gateway.pipeline.environment import Environment
from gateway.pipeline.outgoing import Outgoing, road_of
from gateway.pipeline.roads import OpenRoad
from gateway.spi import Refused, ReportDirectory, ReportOffice, Seal
from gateway.store.parcels import StoredParcel

_PURPOSE: Final = "recipient-key"  # of the HMAC


@dataclass(frozen=True, slots=True)
class RecipientKeys:
    """Certificates to seal for: one, or of a report its container's and its printer's; then the ``office`` that reads it, too."""

    certificates: tuple[Any, ...]
    office: ReportOffice | None = None

    @property
    def fingerprint(self) -> str:
        """By which they are known again. Raises CertificateError."""
        return fingerprint(self.certificates)


@dataclass(frozen=True, slots=True)
class JudgedKey:
    """The key that the rules are asked about; None where none could be learned: then nothing is sealed in this attempt.

    ``kept``: what stands for the ``fingerprint`` wherever it is kept.
    """

    fingerprint: str | None = None
    kept: str | None = None


async def recipient_keys(
    env: Environment, tenant: str, road: OpenRoad, chosen: StoredParcel
) -> RecipientKeys | Refused:
    """What to seal for now. ``Refused``: the directory says that nothing can be sent to this recipient.

    Raises PolicyError whose text is a cause of ``texts.HOLDS``, and whatever a directory raises.
    """
    if road.seal is not Seal.FIKS_REPORT:
        return RecipientKeys((await recipient_key(env, tenant, road, chosen),))
    if not isinstance(road.directory, ReportDirectory):
        raise PolicyError(RECIPIENT_UNKNOWN)
    try:
        told = await road.directory.report_keys(chosen.recipient)
        if isinstance(told, Refused):
            return told
        now = env.clock.now()
        readers = tuple(recipient_certificate(pem, now) for pem in (told.container, told.print_part))
    except UnknownResourceError as error:
        raise PolicyError(RECIPIENT_UNKNOWN) from error
    except TrustError as error:
        raise PolicyError(CANNOT_SEAL) from error
    return RecipientKeys(readers, told.office)


async def recipient_key(env: Environment, tenant: str, road: OpenRoad, chosen: StoredParcel) -> Any:
    """The one certificate to seal for. Raises as ``recipient_keys``."""
    if chosen.adapter == LOOPBACK:
        return env.offices.of(tenant).receive.decryption_keys()[0].certificate
    if road.directory is None:
        raise PolicyError(RECIPIENT_UNKNOWN)
    try:
        pem = await road.directory.certificate(chosen.recipient)
        return recipient_certificate(pem, env.clock.now())
    except UnknownResourceError as error:
        raise PolicyError(RECIPIENT_UNKNOWN) from error
    except TrustError as error:
        raise PolicyError(CANNOT_SEAL) from error


async def key_to_judge(env: Environment, outgoing: Outgoing, chosen: StoredParcel) -> JudgedKey | None:
    """What an attempt on this road would seal for now; of a parcel that is sealed, what that was for.

    None: nothing is sealed for a key of the recipient's own. A letter's reader has one where the carrier's adapter seals for
    it; the key of who prints is none.
    """
    way, brev = road_of(chosen), outgoing.melding.brev
    if way.letter and (way.on_paper or brev is None or not brev.forseglet):
        return None
    if chosen.sealed_for is not None and not way.letter:
        return JudgedKey(chosen.sealed_for, chosen.sealed_for)
    road = env.roads.find(chosen.adapter)
    try:
        async with asyncio.timeout(limits.LOOKUP_S_MAX):
            if road is not None:
                return await (_reader(env, outgoing, road) if way.letter else _recipients(env, outgoing, road, chosen))
    except Exception as error:  # an adapter's: sealing meets it too, and says what follows
        env.log.warning("recipient_key.unknown", message_id=chosen.message_id, partner=chosen.adapter, exc_info=error)
    return JudgedKey()


async def _recipients(env: Environment, outgoing: Outgoing, road: OpenRoad, chosen: StoredParcel) -> JudgedKey:
    found = await recipient_keys(env, outgoing.row.tenant, road, chosen)
    return JudgedKey() if isinstance(found, Refused) else JudgedKey(found.fingerprint, found.fingerprint)


async def _reader(env: Environment, outgoing: Outgoing, road: OpenRoad) -> JudgedKey:
    to = outgoing.melding.mottaker
    if road.person_keys is None or not isinstance(to, Person):
        return JudgedKey()
    told = await road.person_keys.fingerprint(to.fodselsnummer)
    return JudgedKey() if told is None else JudgedKey(told, env.vault.mac(outgoing.row.tenant, _PURPOSE, told.encode()))
