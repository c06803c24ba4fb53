"""The XML that we send (api_v8.xsd): what is asked of Digipost, with both security levels always written out.

Pure functions. The order of elements is the schema's.
"""

from datetime import datetime
from typing import Final

from lxml import etree

from adapters.digipost.settings import AuthenticationLevel
from gateway.spi import Appointment, EmailNotice, Letter, LetterDocument, PostalAddress, PrintOrder

API: Final = "http://api.digipost.no/schema/v8"
DATA_TYPES: Final = "http://api.digipost.no/schema/datatypes"
_OPENING_RECEIPT: Final = f"{{{DATA_TYPES}}}opening-receipt"
EMAIL_SUBJECT: Final = "Ny post"
EMAIL_TEXT: Final = "Du har fått ny post i Digipost. Logg inn for å lese den."
"""The only words that leave in a notification (rule R17)."""

Element = etree._Element  # noqa: SLF001  the library's only name for it


def write_identification(number: str) -> bytes:
    """Ask whether a person is a user."""
    root = etree.Element(f"{{{API}}}identification", nsmap={None: API})
    root.set("include-personalias-for-digipost-user", "false")
    _text(root, "personal-identification-number", number)
    return _written(root)


def write_message(key: str, letter: Letter, sender_id: int, level: AuthenticationLevel) -> bytes:
    """A letter's message under the key of its parcel, which Digipost takes once."""
    root = etree.Element(f"{{{API}}}message", nsmap={None: API})
    _text(root, "message-id", key)
    _text(root, "sender-id", str(sender_id))
    recipient = _node(root, "recipient")
    if letter.print_order is not None:
        _print_details(recipient, letter.print_order)
    else:
        _text(recipient, "personal-identification-number", letter.person)
    if letter.delivery_time is not None:
        _text(root, "delivery-time", moment(letter.delivery_time))
    for document in letter.documents:
        primary = document is letter.primary
        element = _node(root, "primary-document" if primary else "attachment")
        _document(element, document)
        if primary:
            _notifications(element, letter)
        _security(element, document, level)
        if document.appointment is not None:
            _appointment(_node(element, "data-type"), document.appointment)
        elif primary and letter.opening_receipt:
            _opening_receipt(_node(element, "data-type"), key)
    return _written(root)


def moment(at: datetime) -> str:
    """A time with milliseconds and offset."""
    return at.isoformat(timespec="milliseconds")


def _document(element: Element, document: LetterDocument) -> None:
    _text(element, "uuid", document.uuid)
    _text(element, "subject", document.subject)
    _text(element, "file-type", document.file_type)


def _notifications(element: Element, letter: Letter) -> None:
    """Of the primary document alone: they are for the whole letter."""
    if letter.sms_after_hours:
        sms = _node(element, "sms-notification")
        for hours in letter.sms_after_hours:
            _text(sms, "after-hours", str(hours))
    if letter.email is not None:
        _email(_node(element, "email-notification"), letter.email)


def _security(element: Element, document: LetterDocument, level: AuthenticationLevel) -> None:
    _text(element, "authentication-level", level)
    _text(element, "sensitivity-level", "SENSITIVE")
    if document.sealed:
        _node(element, "encrypted").set("number-of-pages", str(document.pages))


def _opening_receipt(parent: Element, key: str) -> None:
    """The newer form: the element of the same name has a text whose meaning nobody tells (digipost.md 4.3).

    Its group is required by the schema, whatever it groups: each letter is alone in its own.
    """
    receipt = etree.SubElement(parent, _OPENING_RECEIPT, nsmap={None: DATA_TYPES})
    etree.SubElement(receipt, f"{{{DATA_TYPES}}}group").text = key


def _email(element: Element, email: EmailNotice) -> None:
    _text(element, "email-address", email.address)
    _text(element, "subject", EMAIL_SUBJECT)
    _text(element, "text", EMAIL_TEXT)
    for at in email.at:
        _node(element, "at").set("time", moment(at))


def _appointment(parent: Element, appointment: Appointment) -> None:
    element = etree.SubElement(parent, f"{{{DATA_TYPES}}}appointment", nsmap={None: DATA_TYPES})
    for name, value in (
        ("start-time", appointment.start.isoformat()),
        ("end-time", appointment.end.isoformat() if appointment.end is not None else None),
        ("place", appointment.place),
        ("language", appointment.language.upper()),
    ):
        if value is not None:
            etree.SubElement(element, f"{{{DATA_TYPES}}}{name}").text = value


def _print_details(parent: Element, order: PrintOrder) -> None:
    element = _node(parent, "print-details")
    _addressed(_node(element, "recipient"), order.recipient)
    _addressed(_node(element, "return-address"), order.return_address)
    _text(element, "color", "MONOCHROME")
    _text(element, "nondeliverable-handling", "RETURN_TO_SENDER")


def _addressed(element: Element, address: PostalAddress) -> None:
    _text(element, "name", address.name)
    abroad = address.country_code is not None
    place = _node(element, "foreign-address" if abroad else "norwegian-address")
    for number, line in enumerate(address.lines, 1):
        _text(place, f"addressline{number}", line)
    if address.country_code is not None:
        _text(place, "country-code", address.country_code)
    else:
        _text(place, "zip-code", address.postnummer)
        _text(place, "city", address.poststed)


def _node(parent: Element, name: str) -> Element:
    return etree.SubElement(parent, f"{{{API}}}{name}")


def _text(parent: Element, name: str, value: str) -> None:
    _node(parent, name).text = value


def _written(root: Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
