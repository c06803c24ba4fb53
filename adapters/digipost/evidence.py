"""What Digipost signed, in a form that an auditor checks without a program of ours (docs/evidence.md)."""

import base64
import json
from typing import Final

from gateway.spi import SignedAnswer

FORM: Final = "digipost-answer v1"
_SIGNED: Final = ("content-md5", "date", "x-content-sha256", "x-digipost-userid")
_SIGNATURE: Final = "x-digipost-signature"


def evidence_of(answer: SignedAnswer, certificate: str) -> bytes:
    """An answer that was checked: the text that was signed (digipost.md 2.3), signature, certificate and body, as JSON."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    path = answer.target.partition("?")[0].lower()
    lines = [str(answer.status), path, *(f"{name}: {headers[name]}" for name in _SIGNED if name in headers)]
    found = {
        "form": FORM,
        "signed": "".join(f"{line}\n" for line in lines),
        "signature": headers[_SIGNATURE],
        "certificate": certificate,
        "body": base64.b64encode(answer.body).decode(),
    }
    return json.dumps(found, ensure_ascii=False, indent=0).encode()
