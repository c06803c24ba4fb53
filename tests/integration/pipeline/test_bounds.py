"""What a sender makes longer than a column is delivered on both stores, and does not wait in quarantine on one."""

from datetime import UTC, datetime

from gateway.crypto.asice import ContainerWriter
from gateway.domain.lifecycle import State
from gateway.pipeline import hand_over
from tests.work import state_of, work_off


def sealed_as(sender, documents):
    """A report whose manifest names these documents with these media types."""
    out = bytearray()
    writer = ContainerWriter(out.extend, sender.key, at=datetime.now(UTC))
    for name, kind, raw in documents:
        writer.add(name, kind, [raw])
    writer.close()
    return {"asice": sender.sealed(bytes(out))}


async def test_a_long_media_type_and_a_long_name_do_not_keep_a_report_from_the_case_system(env, intake, sender, client):
    report, long_name = sender.report(), "v" * 190 + ".pdf"
    parts = sealed_as(
        sender,
        [
            ("bekymringsmelding.json", "application/json", report.json),
            ("bekymringsmelding.pdf", "application/" + "x" * 5000, report.pdf),
            (long_name, "application/pdf", report.pdf),
        ],
    )
    accepted = await intake.accept(type(sender.delivery())(parts))
    await work_off(env)
    assert await state_of(env, accepted.id) == State.READY
    documents = {row["name"]: row["mediaType"] for row in (await hand_over.head(env, client, accepted.id))["documents"]}
    assert documents["bekymringsmelding.pdf"] == "application/octet-stream"
    assert long_name in documents
