"""The one encoder for response headers that are built from outside data (S42).

Whatever a name or a media type holds, what comes out is visible ASCII of one line: no second header, and no value that
the server would refuse to send.
"""

import re
from typing import Final
from urllib.parse import quote

_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,60}")


def attachment(name: str) -> str:
    """``Content-Disposition`` for a file to be kept under ``name`` (RFC 6266, 4.1; RFC 8187, 3.2)."""
    return f"attachment; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


def media_type(told: str) -> str:
    """``Content-Type`` as the sender told it, where it is a plain one; else octets of no known kind."""
    return told if _MEDIA_TYPE.fullmatch(told) else "application/octet-stream"
