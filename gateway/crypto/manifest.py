"""The ASiC-E manifest (ETSI TS 102 918 section A.4): which files a signature covers, and their digests."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import unquote_to_bytes

from lxml import etree

from gateway.crypto.key_transport import Digest
from gateway.errors import SignatureError, StructureError
from gateway.spi.xml import read_xml

ASIC: Final = "http://uri.etsi.org/02918/v1.2.1#"
DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
XMLENC_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
SIGNATURE_MEDIA_TYPE: Final = "application/x-pkcs7-signature"
DEFAULT_SIGNATURE: Final = "META-INF/signature.p7s"
# The third lacks a zero: so do KS's .NET and Java senders (fiks.md 7.2).
_NAMESPACES: Final = (ASIC, "http://uri.etsi.org/02918/v1.1.1#", "http://uri.etsi.org/2918/v1.2.1#")
_DIGESTS: Final = {
    base + digest.value: digest
    for base in ("http://www.w3.org/2001/04/xmlenc#", DSIG)
    for digest in (Digest.SHA256, Digest.SHA384, Digest.SHA512)
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One covered file. ``uri`` stands as written; ``names`` are what it can mean, undecoded before decoded."""

    uri: str
    media_type: str
    digest: Digest
    value: bytes

    @property
    def names(self) -> tuple[str, ...]:
        """KS's Java writer does not encode names, others do; decoding happens once."""
        try:
            return self.uri, unquote_to_bytes(self.uri).decode()
        except UnicodeDecodeError:
            return (self.uri,)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one signature covers, and where that signature lies."""

    signature_name: str
    references: tuple[Reference, ...]


def write_manifest(signature_name: str, references: Sequence[Reference]) -> bytes:
    """Write the manifest; the first reference becomes the root file."""
    root = etree.Element(f"{{{ASIC}}}ASiCManifest", nsmap={None: ASIC, "ds": DSIG})
    etree.SubElement(root, f"{{{ASIC}}}SigReference", URI=signature_name, MimeType=SIGNATURE_MEDIA_TYPE)
    for reference in references:
        attributes = {"URI": reference.uri, "MimeType": reference.media_type}
        if reference is references[0]:
            attributes["Rootfile"] = "true"
        element = etree.SubElement(root, f"{{{ASIC}}}DataObjectReference", attributes)
        etree.SubElement(element, f"{{{DSIG}}}DigestMethod", Algorithm=XMLENC_SHA256)
        etree.SubElement(element, f"{{{DSIG}}}DigestValue").text = base64.b64encode(reference.value).decode()
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)


def read_manifest(content: bytes) -> Manifest:
    """Read a manifest of bounded size. Raises StructureError, and SignatureError for a digest we do not take."""
    root = read_xml(content)
    namespace = etree.QName(root).namespace
    if namespace not in _NAMESPACES or etree.QName(root).localname != "ASiCManifest":
        _refuse("another root element")
    signatures = root.findall(f"{{{namespace}}}SigReference")
    if len(signatures) != 1:
        _refuse("not exactly one signature named")
    references = tuple(_reference(one) for one in root.findall(f"{{{namespace}}}DataObjectReference"))
    return Manifest(signatures[0].get("URI") or DEFAULT_SIGNATURE, references)


def _reference(element: etree._Element) -> Reference:
    methods = element.findall(f"{{{DSIG}}}DigestMethod")
    values = element.findall(f"{{{DSIG}}}DigestValue")
    uri = element.get("URI")
    if len(methods) != 1 or len(values) != 1 or not uri:
        _refuse("a reference without name or digest")
    digest = _DIGESTS.get(methods[0].get("Algorithm") or "")
    if digest is None:
        msg = "manifest: a digest that we do not take"
        raise SignatureError(msg)
    try:
        value = base64.b64decode("".join((values[0].text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        _refuse("a digest that is not base64")
    return Reference(uri, element.get("MimeType") or "application/octet-stream", digest, value)


def _refuse(why: str) -> NoReturn:
    msg = f"manifest: {why}"
    raise StructureError(msg) from None
