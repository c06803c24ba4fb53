"""The example of an HTTP adapter keeps every promise of both kits."""

from gateway.testing.contract import HttpAdapterContract
from gateway.testing.intake_contract import InboundContract
from tests.contracts.postkasse import FakePostkasse, FakePostkasseWithLetter, PostkasseSettings, spec_of


class TestPostkasse(HttpAdapterContract):
    spec = spec_of()
    partner_type = FakePostkasse

    def settings(self, partner: FakePostkasse) -> PostkasseSettings:
        return PostkasseSettings(url=partner.url)


class TestPostkasseLetters(InboundContract):
    spec = spec_of()
    partner_type = FakePostkasseWithLetter

    def settings(self, partner: FakePostkasse) -> PostkasseSettings:
        return PostkasseSettings(url=partner.url)
