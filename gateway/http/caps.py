"""What each case system can have too much of, counted over all its requests (S43)."""

from dataclasses import dataclass

from gateway import limits
from gateway.http.admission import Admission
from gateway.http.rate import Cap, RateLimit, UploadQuota
from gateway.pipeline.environment import Environment


@dataclass(frozen=True, slots=True)
class CaseSystemCaps:
    """Octets fetched and sent a minute, long polls at once, webhook orders a minute."""

    octets: RateLimit
    uploads: UploadQuota
    polls: Admission
    orders: RateLimit

    @classmethod
    def of(cls, env: Environment) -> "CaseSystemCaps":
        """Caps with nothing used yet; one for the whole listener."""
        octets = RateLimit(env.settings.case_system.bytes_per_minute, env.clock, Cap.BYTES)
        return cls(
            octets=octets,
            uploads=UploadQuota(octets, env.over_quota),
            polls=Admission(
                concurrent_max=limits.LONG_POLLS_MAX,
                per_client_max=limits.LONG_POLLS_PER_CLIENT_MAX,
                cap=Cap.LONG_POLLS,
            ),
            orders=RateLimit(limits.WEBHOOK_ORDERS_PER_MINUTE, env.clock, Cap.WEBHOOKS),
        )
