"""XML from partners: the one parser that adapters use. It knows no entities, no document types and no network (S21)."""

from typing import NoReturn

from lxml import etree

from gateway import limits
from gateway.errors import StructureError


def read_xml(content: bytes) -> etree._Element:
    """The root element, without comments and processing instructions. Raises StructureError."""
    if len(content) > limits.PARTNER_XML_BYTES_MAX:
        _refuse("too large")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        _refuse("not well-formed")
    if root.getroottree().docinfo.doctype:
        _refuse("a document type")
    return root


def _refuse(why: str) -> NoReturn:
    message = f"xml: {why}"
    raise StructureError(message) from None
