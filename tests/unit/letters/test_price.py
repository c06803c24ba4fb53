"""A preview of what a letter costs, by the price list."""

from decimal import Decimal

import pytest

from gateway.config import Priser
from gateway.letters.inspection import PDF, Inspected
from gateway.letters.looked import Looked, Page
from gateway.letters.price import price
from gateway.letters.screening import Findings
from gateway.limits import MIB

EXAMPLE = Priser(utskrift=30.90, utskrift_per_ark=1.29, store_minst=10)
PAGE = Page(210, 297, blank=False, readable=True, in_barcode_zone=False)


def document(pages, size_bytes=1000):
    return Inspected("brev.pdf", PDF, size_bytes, Looked(pages=(PAGE,) * pages), Findings(screened=True))


def test_digiposts_own_example_comes_out_to_the_ore():
    """Twenty pages: 30.90 + 9 x 1.29; alone that day nine more large letters are paid (``digipost.md`` 7)."""
    cost = price([document(20)], EXAMPLE, on_paper=True)
    assert (cost.sheets, cost.large_envelope) == (10, True)
    assert (cost.kroner, cost.at_most) == (Decimal("42.51"), Decimal("320.61"))


@pytest.mark.parametrize(
    ("pages", "sheets", "large"), [(1, 1, False), (2, 1, False), (3, 2, False), (14, 7, False), (15, 8, True)]
)
def test_two_pages_go_on_a_sheet_and_seven_sheets_in_a_small_envelope(pages, sheets, large):
    cost = price([document(pages)], EXAMPLE, on_paper=True)
    assert (cost.sheets, cost.large_envelope) == (sheets, large)
    assert (cost.at_most > cost.kroner) is large


def test_each_document_begins_on_a_new_sheet_and_being_registered_costs_beside():
    prices = Priser(utskrift=20, utskrift_per_ark=1, rekommandert=150, stor_konvolutt=15)
    assert price([document(1), document(1)], prices, on_paper=True).sheets == 2
    assert price([document(1)], prices, on_paper=True, registered=True).kroner == Decimal("170.00")
    assert price([document(16)], prices, on_paper=True).kroner == Decimal("42.00")


def test_a_digital_letter_costs_by_its_size_and_no_sheet():
    cost = price(
        [document(99, 2 * MIB), document(1, MIB)], Priser(digitalt_brev=4, digitalt_per_mib=0.5), on_paper=False
    )
    assert (cost.kroner, cost.at_most, cost.sheets) == (Decimal("5.50"), Decimal("5.50"), 0)
