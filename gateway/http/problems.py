"""The only mapping from an error to what a caller sees.

One body that is RFC 9457 and the error shape of KS's REST services at once (decisions 4.2; fiks.md 1.1). It is never
empty, for the official client reads the body and not the status. Texts are ours: of an error only the ``detail`` of a
``RequestError`` is shown, of everything else a fixed sentence, never its cause.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from gateway import errors

PROBLEM_JSON: Final = "application/problem+json"
PLAIN_JSON: Final = "application/json"
RETRY_AFTER_S: Final = 30

_STATUS: Final[dict[type[BaseException], int]] = {
    errors.MalformedRequestError: 400,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.UnknownResourceError: 404,
    errors.ConflictError: 409,
    errors.UnsupportedMediaError: 415,
    errors.ThrottledError: 429,
    errors.RequestError: 400,
    errors.TooLargeError: 413,
    errors.ContentError: 400,
    errors.TrustError: 400,
    errors.PolicyError: 409,
    errors.PartnerError: 503,
    errors.StoreFullError: 507,
    errors.StoreError: 503,
    errors.KeyUnavailableError: 503,
}
_STATUS_OF_CODE: Final = {
    "method-not-allowed": 405,
    "too-slow": 408,
    "expectation-failed": 417,
    "range-not-satisfiable": 416,
    "unknown-host": 421,
    "busy": 503,
}
_DETAIL: Final = {
    400: "The content cannot be used as it is; correct it and send it again.",
    409: "A rule on confidentiality stops this until a person has decided.",
    413: "The body is larger than what is taken here; send less.",
    500: "The fault is ours. Send the same again later, and report the errorId.",
    503: "This cannot be stored now, and nothing was stored. Send it again after the time in Retry-After.",
    507: "There is no room to store this, and nothing was stored. Send it again after the time in Retry-After.",
}
_DETAIL_OF_CODE: Final = {
    errors.CommitUnknownError.code: "Nobody can know yet whether this was stored. Send the very same again after the time in "
    "Retry-After: it is stored once.",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is told of an error: status, stable code, one sentence that says what to do."""

    status: int
    code: str
    detail: str
    error_id: str
    retry_after_s: int | None

    @classmethod
    def of(cls, error: BaseException) -> "Problem":
        """Judge any exception; what is not in our tree is 500 ``internal``."""
        code = errors.GatewayError.code
        if isinstance(error, errors.RequestError):
            code = error.instance_code
        elif isinstance(error, errors.GatewayError):
            code = error.code
        status = _STATUS_OF_CODE.get(code) or next(
            (_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500
        )
        retry_after_s = RETRY_AFTER_S if status in {408, 429, 503, 507} else None
        if isinstance(error, errors.RequestError):
            return cls(status, code, error.detail, str(uuid.uuid4()), error.retry_after_s or retry_after_s)
        detail = _DETAIL_OF_CODE.get(code, _DETAIL[status])
        return cls(status, code, detail, str(uuid.uuid4()), retry_after_s)

    def response(self, *, media_type: str, route: str, now: datetime) -> web.Response:
        """The answer. ``route`` is the template of the path, so nothing that came in is echoed."""
        phrase = HTTPStatus(self.status).phrase
        body = {
            "type": f"urn:budstikke:problem:{self.code}",
            "title": phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "instance": f"urn:uuid:{self.error_id}",
            "timestamp": int(now.timestamp() * 1000),
            "error": phrase,
            "errorId": self.error_id,
            "path": route,
            "message": self.detail,
        }
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return web.Response(status=self.status, body=orjson.dumps(body), headers=headers, content_type=media_type)
