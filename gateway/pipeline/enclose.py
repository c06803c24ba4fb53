"""Files in a container that the office signs, in an envelope for one recipient, in a record: in constant memory."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from gateway.crypto.asice import ContainerWriter
from gateway.crypto.cms import EnvelopeWriter
from gateway.crypto.profiles import FIKS_ENVELOPE, GATEWAY_ENVELOPE, PRINT_PART, EnvelopeProfile
from gateway.pipeline.environment import Environment
from gateway.pipeline.vault import MessageKey, SealedRecord
from gateway.spi import Seal

NO_SIGNING_KEY: Final = "no-signing-key"
CANNOT_SEAL: Final = "cannot-seal"
RECIPIENT_UNKNOWN: Final = "recipient-unknown"
"""Why a message is held before it is sealed; texts stand in ``texts.HOLDS``."""

File = tuple[str, str, Iterable[bytes]]
"""Name, media type, bytes."""

_PROFILES: Final[dict[Seal, EnvelopeProfile]] = {
    Seal.GATEWAY: GATEWAY_ENVELOPE,
    Seal.FIKS: FIKS_ENVELOPE,
    Seal.FIKS_REPORT: FIKS_ENVELOPE,
}


def seal_files(
    env: Environment, key: MessageKey, files: Iterable[File], certificate: Any, seal: Seal, purpose: str
) -> SealedRecord:
    """These files in a container signed by the message's office, sealed, and kept under ``purpose``. Blocks."""
    signing = env.offices.of(key.tenant).receive.signing_key()

    def fill(envelope: EnvelopeWriter) -> None:
        container = ContainerWriter(envelope.write, signing, at=env.clock.now())
        for name, media_type, pieces in files:
            container.add(name, media_type, pieces)
        container.close()

    return _record(env, key, certificate, _PROFILES[seal], purpose, fill)


def seal_print_part(
    env: Environment, key: MessageKey, pdf: Iterable[bytes], certificate: Any, purpose: str
) -> SealedRecord:
    """A PDF for print, in no container (fiks.md 10, step 4), kept under ``purpose``. Blocks."""

    def fill(envelope: EnvelopeWriter) -> None:
        for piece in pdf:
            envelope.write(piece)

    return _record(env, key, certificate, PRINT_PART, purpose, fill)


def _record(
    env: Environment,
    key: MessageKey,
    certificate: Any,
    profile: EnvelopeProfile,
    purpose: str,
    fill: Callable[[EnvelopeWriter], None],
) -> SealedRecord:
    sealing = env.vault.sealing(key, purpose)
    try:
        envelope = EnvelopeWriter(certificate, profile, sealing.update)
        fill(envelope)
        envelope.close()
        sealing.finish()
        return sealing.store()
    except BaseException:
        sealing.writer.discard()
        raise
