"""What operators watch and what they may try with: metrics, and the settings of the simulators."""

from prometheus_client.metrics import MetricWrapperBase

from gateway.observability import metrics as ours
from gateway.simulators.digipost.program import DigipostProgram
from gateway.simulators.fiks.program import FiksProgram
from gateway.simulators.programs import CaseSystemProgram, IssuerProgram, ProdusentProgram
from gateway.simulators.registers.program import RegisterProgram
from gateway.simulators.svarut.program import SvarUtProgram
from parts.configuration import section
from parts.text import table


def metrics() -> str:
    """Every metric with its labels, under the name it is scraped by."""
    rows = []
    for metric in vars(ours).values():
        if isinstance(metric, MetricWrapperBase):
            found = metric.describe()[0]
            labels = ", ".join(metric._labelnames) or "-"  # noqa: SLF001  the library has no public name for it
            suffix = "_total" if found.type == "counter" else ""
            rows.append((f"`{found.name}{suffix}`", found.type, labels, found.documentation))
    return table(("name", "type", "labels", "what"), rows)


def simulators() -> str:
    """The settings file of each simulator."""
    parts: list[str] = []
    for name, model in (
        ("issuer", IssuerProgram),
        ("produsent", ProdusentProgram),
        ("case-system", CaseSystemProgram),
        ("fiks", FiksProgram),
        ("digipost", DigipostProgram),
        ("svarut", SvarUtProgram),
        ("krr", RegisterProgram),
        ("freg", RegisterProgram),
    ):
        parts.append(f"### `budstikke simulate {name}`")
        parts.extend(section("", model))
    return "\n\n".join(parts)
