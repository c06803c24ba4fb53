"""What the operator of the portal sees: a list of all reports, and figures of each office and day (fiks.md 13 G4)."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from gateway.domain.deadlines import OSLO
from gateway.simulators.fiks.portal import AVVIST_FAGSYSTEM, LEVERT, SENDT_PRINT, Followed

COLUMNS: Final = ("bekymringsmelding-id", "melding-id", "tidspunkt", "status")
_COUNTED: Final = {"antallLevertFiksIO": LEVERT, "antallAvvist": AVVIST_FAGSYSTEM, "antallPrint": SENDT_PRINT}


def as_csv(reports: Iterable[Followed]) -> str:
    """One line for each time that a report was sent, with where the report stands; times in UTC."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for report in reports:
        last = report.history[-1]
        for melding_id in report.melding_ids:
            writer.writerow((report.bekymringsmelding_id, melding_id, last.tidspunkt.isoformat(), last.tilstand))
    return out.getvalue()


def per_office_and_day(reports: Iterable[Followed]) -> list[dict[str, object]]:
    """How many were sent to each office on each Norwegian day, and what became of them."""
    figures: dict[tuple[str, str, str], Counter[str]] = {}
    for report in reports:
        key = (report.office.kommunenummer, report.office.bydelsnummer, _day(report.history[0].tidspunkt))
        counted = figures.setdefault(key, Counter(dict.fromkeys(("antallSendt", *_COUNTED), 0)))
        counted["antallSendt"] += 1
        passed = {row.tilstand for row in report.history}
        counted.update(name for name, tilstand in _COUNTED.items() if tilstand in passed)
    return [
        {"kommunenummer": kommune, "bydelsnummer": bydel, "dato": day, **counted}
        for (kommune, bydel, day), counted in sorted(figures.items())
    ]


def _day(at: datetime) -> str:
    return at.astimezone(OSLO).date().isoformat()
