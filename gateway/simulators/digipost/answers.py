"""The XML that Digipost answers with (api_v8.xsd). What is refused is an error with a code, a type and a status."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from lxml import etree

API: Final = "http://api.digipost.no/schema/v8"
MEDIA_TYPE: Final = "application/vnd.digipost-v8+xml"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"

Element = etree._Element  # noqa: SLF001  the library's only name for it


class RefusalError(Exception):
    """A request that is refused; stays inside this package. ``status``: where the documentation names none it is a guess."""

    def __init__(self, status: int, code: str, text: str, kind: str = "CLIENT_DATA") -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.kind = status, code, text, kind

    def body(self) -> bytes:
        """The error document."""
        return written(
            node(
                "error", text("error-code", self.code), text("error-message", self.text), text("error-type", self.kind)
            )
        )


def node(name: str, *children: Element | None, **attributes: str | None) -> Element:
    """An element with those children and attributes that are there; ``_`` in a name is ``-``."""
    told = {key.replace("_", "-"): value for key, value in attributes.items() if value is not None}
    made = etree.Element(f"{{{API}}}{name}", told, nsmap={None: API})
    made.extend(child for child in children if child is not None)
    return made


def text(name: str, content: object, **attributes: str | None) -> Element:
    """An element with text."""
    made = node(name, **attributes)
    made.text = str(content)
    return made


def typed(element: Element, kind: str) -> Element:
    """The same, saying of which type of the schema it is (``xsi:type``)."""
    element.set(f"{{{_XSI}}}type", kind)
    return element


def written(root: Element) -> bytes:
    """The document's octets."""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)


def moment(at: datetime) -> str:
    """A time with milliseconds and offset, as Digipost writes it."""
    return at.isoformat(timespec="milliseconds")


def entry_point(certificate: str, links: Mapping[str, str], base: str) -> bytes:
    """The root document: the certificate that answers are signed with, and where everything is."""
    return written(
        node(
            "entrypoint",
            text("certificate", certificate),
            *(
                node("link", rel=f"{base}/relations/{rel}", uri=uri, media_type=MEDIA_TYPE)
                for rel, uri in links.items()
            ),
        )
    )
