"""What the adapter believes of its own health: troubles as they come and go, who is subscribed, when something last came."""

import asyncio
from dataclasses import dataclass, field

from gateway.spi import Observation, Trouble


@dataclass(slots=True)
class Health:
    """Written by whoever sees something, read by the watch. Times are the clock's monotonic seconds, by account."""

    subscribed_at: dict[str, float] = field(default_factory=dict)
    arrived_at: dict[str, float] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _known: dict[tuple[Trouble, str], bool] = field(default_factory=dict)
    _news: dict[tuple[Trouble, str], bool] = field(default_factory=dict)

    def tell(self, trouble: Trouble, subject: str, *, well: bool) -> None:
        """Something is wrong, or well. The first word on a subject counts too: an earlier process may have rung."""
        if self._known.get((trouble, subject)) is not well:
            self._known[trouble, subject] = self._news[trouble, subject] = well
            self.changed.set()

    def news(self) -> list[Observation]:
        """What changed since this was last asked."""
        self.changed.clear()
        news, self._news = self._news, {}
        return [Observation(trouble, subject, well) for (trouble, subject), well in news.items()]

    def known(self) -> list[Observation]:
        """Everything that was told, as it is now."""
        return [Observation(trouble, subject, well) for (trouble, subject), well in self._known.items()]

    def wrong(self) -> list[Observation]:
        """What of it is wrong."""
        return [one for one in self.known() if not one.well]
