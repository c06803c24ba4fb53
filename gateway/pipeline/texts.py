"""What caseworkers read, in bokmål: one sentence of what is wrong and one of what to do."""

from collections.abc import Sequence
from typing import Final

from gateway.pipeline.hold_places import Place, Places
from gateway.pipeline.hold_texts import BY_RULE
from gateway.pipeline.preflight_texts import BY_FAULT

PAPER_COPY_POSSIBLE: Final = "paper-copy-possible"

WARNINGS: Final[dict[str, str]] = {
    "signer-unknown": "Avsenderens signatur er ikke kjent. Kontroller avsenderen på annen måte før du stoler på navnet.",
    "signer-untrusted": "Avsenderens sertifikat kommer ikke fra en utsteder vi stoler på. Kontroller avsenderen.",
    "signer-expired": "Avsenderens sertifikat er utløpt. Kontroller avsenderen.",
    "signer-not-yet-valid": "Avsenderens sertifikat er ikke gyldig ennå. Kontroller avsenderen.",
    "signer-revoked": "Avsenderens sertifikat er trukket tilbake. Kontroller avsenderen før du stoler på innholdet.",
    "signer-wrong-usage": "Avsenderens sertifikat er ikke ment for signering. Kontroller avsenderen.",
    "signer-revocation-unknown": "Vi kunne ikke sjekke om avsenderens sertifikat er trukket tilbake. Kontroller avsenderen.",
    "sha1-signature": "Signaturen bruker en gammel metode (SHA-1). Kontroller avsenderen ved tvil.",
    "mimetype-not-first": "Pakken er bygget på en uvanlig måte, men innholdet er kontrollert.",
    "mimetype-missing": "Pakken er bygget på en uvanlig måte, men innholdet er kontrollert.",
    "mimetype-compressed": "Pakken er bygget på en uvanlig måte, men innholdet er kontrollert.",
    "json-missing": "Skjemadataene mangler. Les PDF-en og registrer forsendelsen manuelt.",
    "pdf-missing": "PDF-en mangler. Skjemadataene er komplette; bruk dem, eller be avsenderen om en kopi.",
    "json-unreadable": "Skjemadataene kan ikke leses. Les PDF-en og registrer forsendelsen manuelt.",
    "json-out-of-bounds": "Skjemadataene er unormalt bygget og er ikke lest. Les PDF-en.",
    "json-nan": "Skjemadataene inneholder et ugyldig tall. Sammenlign med PDF-en.",
    "json-duplicate-keys": "Skjemadataene har samme felt to ganger. Sammenlign med PDF-en.",
    "json-not-validated": "Skjemadataene er så store at de ikke er kontrollert. Sammenlign med PDF-en.",
    "schema": "Et felt følger ikke skjemaet. Sammenlign feltet med PDF-en.",
    "kommunenummer-differs": "Kommunen i skjemaet er en annen enn den forsendelsen er adressert til. Kontroller adressat.",
    "bydelsnummer-differs": "Bydelen i skjemaet er en annen enn den forsendelsen er adressert til. Kontroller adressat.",
    "sent-at-implausible": "Sendetidspunktet i skjemaet er usannsynlig. Fristene regnes fra ankomst.",
    "print-copy": "Dette er papirkopien av meldingen. Den digitale delen kunne ikke brukes.",
    "print-copy-differs": "Papirkopien er ikke lik PDF-en i meldingen. Les begge.",
    "print-copy-unreadable": "Papirkopien som fulgte med, kunne ikke åpnes.",
    "duplicate-pdf-differs": "Samme melding er kommet to ganger med ulik PDF. Sammenlign dem.",
    "not-understood": "Meldingen kom i en form vi ikke kjenner. En navngitt person har sluppet den fram som den er.",
    PAPER_COPY_POSSIBLE: "Avsenderen fikk kanskje ikke vite at meldingen er mottatt. Den kan også komme som brev.",
    "may-be-same": "Dette kan være samme melding som den med id-en som står her. Sammenlign før du registrerer noe nytt.",
    "registered-by-hand": "Meldingen kom på papir, på telefon eller personlig, og er registrert for hånd. Skjemadata finnes ikke.",
    "quarantined": "Forseglingen holdt ikke da meldingen kom. En navngitt person har sluppet den fram som den er.",
}

FAILED_RECEIPT: Final = (
    "Meldingen kunne ikke tas imot digitalt. Send den som brev, eller ta kontakt med barneverntjenesten."
)
"""What a sender reads in a negative receipt: the same for everybody, so that it tells nothing of anybody."""

HOLDS: Final[dict[str, str]] = (
    BY_RULE
    | BY_FAULT
    | {
        "no-road-left": "Ingen vei fram til mottakeren er igjen. Velg en annen måte å levere på.",
        "no-address": "Mottakeren mangler adressen som denne veien trenger. Rett opp adressen og send på nytt.",
        "recipient-unknown": "Mottakeren finnes ikke på denne veien. Finn riktig enhet før sending.",
        "no-signing-key": "Kontoret har ingen signeringsnøkkel her. Be driftsansvarlig legge den inn.",
        "address-differs": "Meldingen nevner et annet kontor enn det den ble adressert til. Rett opp og send på nytt.",
        "cannot-seal": "Forsendelsen kunne ikke forsegles til mottakeren. Kontroller mottakerens sertifikat.",
        "no-document-to-send": "Brevet har ingen PDF. Legg ved brevet som PDF og send på nytt.",
        "no-letter-form": "Denne meldingstypen kan ikke sendes som brev. Velg en annen vei eller en annen meldingstype.",
        "appointment-place-tells": "Møtestedet i innkallingen røper hva saken gjelder, og det vises utenfor brevet. Skriv det nøytralt og send på nytt.",
        "cannot-ask": "Det er uvisst om forsendelsen kom fram, og mottakeren kan ikke spørres. Ta kontakt med mottakeren.",
        "partner-refused": "Mottakeren tok ikke imot forsendelsen. Finn ut hvorfor før noe sendes på nytt.",
    }
)
"""Why a message that goes out is held, by its cause."""


def told(cause: str, places: Places) -> str:
    """Why a message is held, or a letter could not be sent, and in which documents that is: to be read by a person."""
    text = HOLDS.get(cause, cause)
    if not places.documents:
        return text
    more = "; og flere dokumenter" if places.more_documents else ""
    return f"{text} Gjelder {'; '.join(map(_place, places.documents))}{more}."


def _place(place: Place) -> str:
    name = f" ({place.name})" if place.name is not None else ""
    pages = f", side {_listed(place.pages, more=place.more_pages)}" if place.pages else ""
    return f"dokument {place.document}{name}{pages}"


def _listed(pages: Sequence[int], *, more: bool) -> str:
    *first, last = [*map(str, pages), *(["flere"] if more else [])]
    return f"{', '.join(first)} og {last}" if first else last


STATES: Final[dict[str, str]] = {
    "RECEIVED": "Mottatt, åpnes",
    "READY": "Klar for fagsystemet",
    "OFFERED": "Hentes av fagsystemet",
    "CONFIRMED": "Lagret i fagsystemet, kvittering sendes",
    "REFUSED": "Avvist av navngitt person, kvittering sendes",
    "DUPLICATE": "Kopi av en tidligere forsendelse",
    "QUARANTINED": "I karantene: må ses på",
    "RECEIPTED": "Ferdig",
    "ACCEPTED": "Mottatt for sending, kontrolleres",
    "CLEARED": "Godkjent for sending",
    "SENT": "Sendt, venter på kvittering",
    "UNCERTAIN": "Uvisst om den kom fram, vi spør",
    "DELIVERED": "Levert",
    "WITHDRAWN": "Trukket tilbake",
    "HELD": "Holdt: må avgjøres av navngitt person",
}
