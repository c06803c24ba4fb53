"""What shows through the window of an envelope is read from the sheet as it shows, never from what was meant."""

import pytest

from gateway.config import Brev, Vindu
from gateway.letters import window
from gateway.letters.reader import Reader
from tests import pdf_kit as kit

KARI = ("Kari Čáŋ Nordmann-Ødegård", "c/o #strong[Hansen] *$ _", "Storgata 12 B", "5003 BERGEN")
BREV = Brev(avsender_navn="Kommunen", returadresse=("Postboks 7700",), returpostnummer="5020", returpoststed="BERGEN")
OFFICES = ("Barneverntjenesten i Bergen", "Bergenhus bydel")


def test_a_neutral_sender_and_any_name_and_address_show_whole(reader):
    """Letters of Sami, and signs that mean something to the program that sets the sheet."""
    assert window.neutral_sender(reader, KARI, BREV, OFFICES)
    shown = window.shown_through(reader, window.cover_sheet(("Kommunen",), KARI, BREV.vindu))
    assert shown.splitlines() == ["Kommunen", *KARI]


@pytest.mark.parametrize(
    ("recipient", "brev", "offices"),
    [
        (("K" * 80, "5003 BERGEN"), BREV, ()),
        (("Kari", *["Storgata"] * 30, "5003 BERGEN"), BREV, ()),
        (("Kari", "Barnevernvakten", "5003 BERGEN"), BREV, ()),
        (KARI, BREV.model_copy(update={"avsender_navn": "Barneverntjenesten"}), ()),
        (KARI, BREV.model_copy(update={"avsender_navn": "B a r n e v e r n"}), ()),
        (KARI, BREV.model_copy(update={"returadresse": ("Bergenhus bydel",)}), OFFICES),
    ],
    ids=[
        "a wide name",
        "many lines",
        "a telling address",
        "a telling sender",
        "letter-spaced",
        "the office",
    ],
)
def test_what_does_not_fit_or_tells_more_is_not_neutral(reader, recipient, brev, offices):
    assert not window.neutral_sender(reader, recipient, brev, offices)


def test_the_sender_s_own_name_may_show_though_the_office_has_it_too(reader):
    assert window.neutral_sender(reader, KARI, BREV, ("kommunen",))


def test_text_of_a_letter_s_own_first_page_shows_through_the_window_where_it_stands(reader):
    own = kit.letter([], placed=[(20, 50, "Kari Nordmann"), (20, 120, "Under vinduet"), (150, 50, "Ved siden av")])
    assert window.shown_through(reader, own).strip() == "Kari Nordmann"
    turned = kit.rotated(kit.letter([], size=(kit.A4[1], kit.A4[0]), placed=[(60, 190, "Dreid")]), 90)
    assert window.shown_through(reader, turned).strip() == "Dreid"


def test_a_window_of_another_place_shows_what_stands_there():
    lower = Reader(Vindu(topp_mm=110, hoyde_mm=20))
    try:
        own = kit.letter([], placed=[(20, 50, "Kari Nordmann"), (20, 120, "Under vinduet")])
        assert window.shown_through(lower, own).strip() == "Under vinduet"
        assert window.shown_through(lower, b"") == ""
        assert window.neutral_sender(lower, KARI[:2], BREV, OFFICES)
        assert not window.neutral_sender(lower, KARI, BREV, OFFICES)  # one line too many for it
    finally:
        lower.close()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Du har fått brev fra kommunen", True),
        ("", True),
        ("Barnevern", False),
        ("Ny undersøkelse", False),
        ("BEKYMRINGSMELDING", False),
    ],
)
def test_a_notice_is_neutral_without_any_of_the_words(text, told):
    assert window.neutral(text, BREV.ord_som_roper) is told
