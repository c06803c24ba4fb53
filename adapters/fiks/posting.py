"""One upload to a service of the platform that has no idempotency key: what its answer, or the lack of one, means.

Fiks knows no request that may be repeated harmlessly, so whatever leaves it open whether something was taken is uncertain.
"""

from collections.abc import Callable, Container
from typing import Final

import aiohttp
import structlog

from adapters.fiks.api import CLIENT_ERROR, NO_ANSWER, SERVER_ERROR, TEMPORARY, UNAUTHORISED, Answer, FiksApi
from gateway.spi import (
    ConfigError,
    Outcome,
    PartnerRefusedError,
    PartnerUnavailableError,
    Refused,
    TryLater,
    Uncertain,
    limits,
)

NO_ANSWER_BEHIND: Final = frozenset({502, 504})
"""A proxy of the platform got no answer: what is behind it may have taken the upload."""

UNREADABLE: Final = Uncertain("unreadable-answer")
"""It says that it was taken, and not as what."""

_BYTES_PER_S: Final = 256 * limits.KIB  # the slowest upload that is waited for


async def posted(
    api: FiksApi,
    path: str,
    form: Callable[[], aiohttp.MultipartWriter],
    size_bytes: int,
    *,
    doubtful: Container[int],
    log: structlog.stdlib.BoundLogger,
) -> Answer | Outcome:
    """The answer of a platform that took it, or what came of it instead. ``doubtful``: statuses that leave it open."""
    try:
        answer = await api.post(path, form, added_s=size_bytes / _BYTES_PER_S)
    except (PartnerUnavailableError, PartnerRefusedError, ConfigError) as error:
        log.warning("fiks.not_sent", error=str(error))
        return TryLater("no-credentials")
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        return TryLater("not-connected")
    except NO_ANSWER as error:
        log.warning("fiks.no_answer", error=type(error).__name__)
        return Uncertain("no-answer")
    return answer if answer.good else _failed(answer, doubtful)


def _failed(answer: Answer, doubtful: Container[int]) -> Outcome:
    code = f"status-{answer.status}"
    if answer.status in doubtful:
        return Uncertain(code)
    if answer.status < CLIENT_ERROR or answer.status >= SERVER_ERROR or answer.status in {UNAUTHORISED, *TEMPORARY}:
        return TryLater(code, answer.retry_after_s)
    return Refused(code)
