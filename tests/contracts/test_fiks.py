"""The facade of KS's producer API keeps a facade's promises."""

from collections.abc import Sequence

from adapters.fiks import ADAPTER
from gateway.spi import Caller
from gateway.testing.intake_contract import UPLOADED, FacadeContract, Upload

SENDER = "11111111-2222-4333-8444-555566667777"
CALLER = Caller("produsent-1", "987654325", SENDER, frozenset({"bekymringsmelding.send"}))


class TestFiksProdusent(FacadeContract):
    spec = ADAPTER

    def uploads(self) -> Sequence[Upload]:
        return [
            Upload(
                f"/bekymringsmelding/api/{version}/mottak/fagsystem/{SENDER}/4601/02/{kind}",
                {"asice": UPLOADED, "bekymringsmelding": UPLOADED},
                CALLER,
            )
            for version in ("v1", "v2")
            for kind in ("offentlig", "privat")
        ]
