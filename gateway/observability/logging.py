"""Logs: one JSON object a line, event names and fields from a closed list.

A field that is not on the list is dropped and counted, so that a careless call cannot leak (rule R27, S88). Control
and bidirectional characters are escaped by JSON's ASCII form. Tracebacks carry our own frames and error codes only.
"""

import json
import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import Processor

from gateway.errors import GatewayError
from gateway.observability.metrics import DROPPED_LOG_FIELDS

FIELDS: Final = frozenset(
    {
        "event", "level", "timestamp", "message_id", "tenant", "effect", "attempt", "code", "state", "duration_ms",
        "method", "route", "status", "client", "lane", "road", "count", "alarm", "alarm_level", "subject", "port",
        "listener", "size",
        "mode", "version", "adapter", "incarnation", "error", "where", "delay_s", "issuer", "partner",
        "request_id", "error_id",
    }
)  # fmt: skip


def configure(stream: Literal["stdout", "stderr"]) -> None:
    """Send all logs, ours and the libraries', to one of the process's streams as JSON lines."""
    structlog.configure(processors=_PROCESSORS, logger_factory=lambda *_: structlog.PrintLogger(getattr(sys, stream)))
    # Libraries speak through the standard module: their texts are not ours to trust, so only the name and level pass.
    logging.basicConfig(handlers=[_LibraryHandler(stream)], level=logging.WARNING, force=True)


def to(stream: TextIO) -> structlog.stdlib.BoundLogger:
    """A logger that writes to a stream of its own, by the same rules."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(stream), processors=_PROCESSORS, wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    return logger


def get(**bound: Any) -> structlog.stdlib.BoundLogger:
    """A logger with fields bound to it."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(**bound)
    return logger


def _dumps(record: object, **_: Any) -> str:
    return json.dumps(record, ensure_ascii=True, default=lambda value: type(value).__name__)


def _error_only(_logger: object, _name: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace an exception by its code, class and the line of ours it came from."""
    error = record.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        record["error"] = error.code if isinstance(error, GatewayError) else type(error).__name__
        record["where"] = _where(error)
    return record


def _where(error: BaseException) -> str:
    place = "unknown"
    frame = error.__traceback__
    while frame is not None:
        module = frame.tb_frame.f_globals.get("__name__", "")
        if module.startswith(("gateway", "adapters")):
            place = f"{module}:{frame.tb_lineno}"
        frame = frame.tb_next
    return place


def _allowed_only(_logger: object, _name: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    dropped = [field for field in record if field not in FIELDS]
    for field in dropped:
        del record[field]
    if dropped:
        DROPPED_LOG_FIELDS.inc(len(dropped))
    return record


class _LibraryHandler(logging.Handler):
    """Writes a library's line, reduced to where it came from."""

    def __init__(self, stream: str) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        line = {"event": "library.log", "level": record.levelname.lower(), "where": record.name}
        if error is not None:
            line["error"] = type(error).__name__
        with suppress(OSError, ValueError):  # a stream that is gone is no fault of the library that speaks
            print(_dumps(line), file=getattr(sys, self._stream), flush=True)


_PROCESSORS: Final[list[Processor]] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _error_only,
    _allowed_only,
    structlog.processors.JSONRenderer(serializer=_dumps),
]
