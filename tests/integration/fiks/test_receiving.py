"""What waits on our accounts reaches the gateway, and is gone only once the gateway says so. The broker is a real one."""

from contextlib import aclosing

from adapters.fiks import ADAPTER
from adapters.fiks.headers import UNREADABLE
from adapters.fiks.settings import FiksSettings
from adapters.fiks.watch import CATALOGUE
from gateway.simulators.fiks.dispatch import Outgoing
from gateway.simulators.fiks.faults import FiksFault
from gateway.spi import UNKNOWN_TYPE, Address, Figures, Observation, Trouble
from tests.fiks_kit import REPORT, counted, make_office, take, until


async def body_of(delivery):
    return [(name, b"".join([chunk async for chunk in stream])) async for name, stream in delivery.parts()]


async def test_a_report_comes_with_its_headers_and_its_body(office):
    [melding_id] = await office.send(headers={"klientKorrelasjonsId": "samtale-1"})
    async with office.open() as coming:
        [delivery] = await take(coming)
        assert delivery.remote_id == melding_id
        assert delivery.message_type == "bekymringsmelding.offentlig.v2"
        assert (delivery.sender, delivery.answer_to, delivery.fault) == (office.sender, office.sender, None)
        assert delivery.address == Address("4601", "00")
        assert delivery.headers["klientKorrelasjonsId"] == "samtale-1"
        assert delivery.headers["ttl-ms"] == str(7 * 86_400_000)
        assert delivery.headers["account"] == office.account
        assert await body_of(delivery) == [("asice", b"forseglet 0")]


async def test_a_message_is_on_its_queue_until_it_is_acknowledged(office):
    first, second = await office.send(2)
    async with office.open() as coming:
        one, other = await take(coming, 2)
        await other.acknowledge()
        await other.acknowledge()  # a second word on it would end the channel
        await other.give_back()
    await counted(office, consumers=0, waiting=1)
    async with office.open() as coming:
        [again] = await take(coming)
        assert (one.remote_id, other.remote_id, again.remote_id) == (first, second, first)
        await one.acknowledge()  # over a channel that is gone: nothing
        await again.acknowledge()
    await counted(office, consumers=0, waiting=0)
    assert office.lines("channel-closed") == []


async def test_what_is_given_back_comes_again_and_nothing_else_does(office):
    first, second = await office.send(2)
    async with office.open() as coming:
        one, other = await take(coming, 2)
        await one.give_back()
        [again] = await take(coming)
        assert again.remote_id == one.remote_id == first
        await again.acknowledge()
        await other.acknowledge()
    await counted(office, consumers=0, waiting=0)
    assert not office.fiks.platform.dispatch.dead
    assert other.remote_id == second


async def test_closing_the_iterator_costs_what_was_brought_one_attempt_and_not_more(office):
    sent = await office.send(4)
    for _ in range(2):
        async with office.open() as coming:
            await take(coming)
        await counted(office, consumers=0, waiting=4)
    async with office.open() as coming:  # the third attempt; a broker that had counted more would have none left
        brought = await take(coming, 4)
        assert sorted(delivery.remote_id for delivery in brought) == sorted(sent)
        for delivery in brought:
            await delivery.acknowledge()
    await counted(office, consumers=0, waiting=0)
    assert not office.fiks.platform.dispatch.dead


async def test_two_consumers_share_one_queue_and_each_message_comes_to_one_of_them(office):
    sent = await office.send(8)
    async with office.open() as coming, office.open() as others:
        brought = await take(coming, 4) + await take(others, 4)
        assert sorted(delivery.remote_id for delivery in brought) == sorted(sent)
        assert (await office.counts()).consumers == 2
        for delivery in brought:
            await delivery.acknowledge()
    await counted(office, consumers=0, waiting=0)


async def test_no_more_comes_than_may_be_unfinished(fiks):
    office = await make_office(fiks, prefetch=2)
    await office.send(5)
    async with office.open() as coming:
        await take(coming, 2)
        await counted(office, consumers=1, waiting=3)


async def test_all_accounts_come_over_one_connection(fiks):
    office = await make_office(fiks, accounts=3)
    sent = [(await office.send(account=account.id))[0] for account in office.io.accounts]
    async with office.open() as coming:
        brought = await take(coming, 3)
        assert {(delivery.headers["account"], delivery.remote_id) for delivery in brought} == set(
            zip((account.id for account in office.io.accounts), sent, strict=True)
        )
    assert len(office.tokens.given) == 1


async def test_headers_that_cannot_be_read_do_not_stop_what_comes_after_them(office):
    office.fiks.platform.faults.arm(FiksFault.MALFORMED_HEADERS)
    [_, good] = await office.send(2)
    async with office.open() as coming:
        poison, other = await take(coming, 2)
        assert (poison.fault, poison.remote_id, poison.sender, poison.answer_to) == (UNREADABLE, None, "", None)
        assert poison.headers["malformed:melding-id"] == "ikke-en-uuid"
        assert await body_of(poison) == [("asice", b"forseglet 0")]
        assert (other.fault, other.remote_id) == (None, good)
        await poison.acknowledge()
        await other.acknowledge()
    await counted(office, consumers=0, waiting=0)


async def test_a_type_that_nobody_knows_is_brought_all_the_same(office):
    await office.send(type="no.ks.fiks.bekymringsmelding.ukjent.v9")
    async with office.open() as coming:
        [delivery] = await take(coming)
        assert (delivery.message_type, delivery.fault, delivery.answer_to) == (UNKNOWN_TYPE, "type-unknown", None)


async def test_a_queue_that_may_not_be_read_rings_and_the_other_accounts_go_on(fiks):
    office = await make_office(fiks, accounts=2)
    foreign, own = (account.id for account in office.io.accounts)
    integration = fiks.platform.register.find_integration(office.io.integration_id)
    integration.kontoer = frozenset({own})
    [melding_id] = await office.send(account=own)
    async with office.open() as coming:
        [delivery] = await take(coming)
        assert delivery.remote_id == melding_id
        await until(lambda: office.told(Trouble.REFUSED, foreign) is False)
        assert office.told(Trouble.REFUSED, own)
        integration.kontoer = frozenset({own, foreign})
        [late] = await office.send(account=foreign)
        assert [brought.remote_id for brought in await take(coming)] == [late]  # it was tried again
        assert office.told(Trouble.REFUSED, foreign)
        assert 60 in office.clock.slept


async def test_what_came_before_the_iterator_was_slow_is_not_brought_after_its_channel_is_gone(office):
    sent = await office.send(3)
    async with office.open() as coming:
        [first] = await take(coming)
        office.fiks.platform.front.cut()
        await until(lambda: len(office.lines("amqp.subscribed")) == 2)
        await counted(office, consumers=1, waiting=0)  # the same three unfinished there
        brought = await take(coming, 3)
        assert sorted(delivery.remote_id for delivery in brought) == sorted(sent)
        await first.acknowledge()  # of the channel before
        for delivery in brought:
            await delivery.acknowledge()
    await counted(office, consumers=0, waiting=0)


async def test_the_adapter_as_it_is_opened_fetches_what_is_large_and_sees_itself_as_the_platform_does(office, tmp_path):
    platform = office.fiks.platform
    platform.dispatch.inline_bytes_max = 10
    large = tmp_path / "large"
    large.write_bytes(b"forseglet " * 30_000)
    await platform.send(Outgoing(office.sender, office.account, REPORT), large)
    async with (
        ADAPTER.open(FiksSettings(io=office.io), office.context) as adapter,
        aclosing(adapter.inbound.deliveries()) as coming,
    ):
        [delivery] = await take(coming)
        assert await body_of(delivery) == [("asice", b"forseglet " * 30_000)]
        await delivery.acknowledge()
        await counted(office, consumers=1, waiting=0)
        async with aclosing(adapter.watch.observations()) as seeing:
            seen = [await anext(seeing) for _ in range(8)]
    assert Figures(Address("4601", "00"), office.account, waiting=0, consumers=1) in seen
    assert {(one.trouble, one.subject, one.well) for one in seen if isinstance(one, Observation)} == {
        (Trouble.REFUSED, "fiks-io", True),
        (Trouble.REFUSED, office.account, True),
        (Trouble.UNREACHABLE, "fiks-io", True),
        (Trouble.UNREACHABLE, CATALOGUE, True),
        (Trouble.NOT_CONSUMING, office.account, True),
        (Trouble.BACKLOG, office.account, True),
        (Trouble.KEY_DIFFERS, office.account, True),
    }


async def test_a_published_key_that_nobody_here_can_open_rings(office):
    office.fiks.platform.faults.arm(FiksFault.WRONG_CATALOGUE_KEY)
    async with (
        ADAPTER.open(FiksSettings(io=office.io), office.context) as adapter,
        aclosing(adapter.watch.observations()) as seeing,
    ):
        wrong = Observation(Trouble.KEY_DIFFERS, office.account, well=False)
        assert wrong in [await anext(seeing) for _ in range(3)]
