"""The judge of the way over Fiks IO: each breach of the promise alone makes it fail."""

from collections import Counter
from dataclasses import replace

import pytest

from gateway.demo.fiks_cast import FiksVerdict

TOLD = Counter(AKSEPTERT=1, SENDT_FAGSYSTEM=1, LEVERT=1)
KEPT = FiksVerdict(times={"a": 1, "b": 1}, strangers=0, told={"a": TOLD, "b": TOLD}, afterthoughts={"a": ("mottatt",)})


def test_the_control_holds_and_the_same_receipt_again_is_no_harm():
    assert KEPT.holds


@pytest.mark.parametrize(
    "breach",
    [
        {"times": {"a": 1, "b": 0}},
        {"times": {"a": 1, "b": 2}},
        {"strangers": 1},
        {"told": {"a": TOLD, "b": Counter(AKSEPTERT=1, SENDT_FAGSYSTEM=1)}},
        {"told": {"a": TOLD, "b": Counter(AKSEPTERT=1, SENDT_FAGSYSTEM=1, LEVERT=2)}},
    ],
    ids=["lost", "twice", "a stranger", "never told", "told twice"],
)
def test_any_breach_alone_makes_it_fail(breach):
    assert not replace(KEPT, **breach).holds
