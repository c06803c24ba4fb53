"""The frozen settings tree. It loads and checks shapes; it connects to nothing and opens no key.

Order: ``config/gateway.toml`` or the file named on the command line, then environment variables named
``BUDSTIKKE__SECTION__KEY`` for deployment values. Unknown keys are refused; units stand in the names. Secrets are
references (``file:``, ``env:``, ``pkcs11:``), never values.
"""

from gateway.config.brev_toml import Brev, Papir, Priser, Regel, Vei, Vindu
from gateway.config.gateway_toml import (
    Backup,
    CaseSystem,
    Engine,
    Evidence,
    Flow,
    Intake,
    Issuer,
    Listener,
    Listeners,
    Maskinporten,
    Pkcs11,
    Reconcile,
    Revocation,
    Settings,
    Store,
    TimeStamp,
    Trust,
)
from gateway.config.mottakere_toml import Mottaker
from gateway.config.reading import ENVIRONMENT_PREFIX, Configuration, load, read
from gateway.config.rules_toml import Frist, Hjemmel, Oppbevaring, Tid
from gateway.config.tenants_toml import Bydel, KeyPair, Tenant
from gateway.config.values import (
    SECRET_SCHEMES,
    THROW_AWAY,
    SecretReference,
    Section,
    read_secret,
    resolve,
    secret_path,
)

__all__ = [
    "ENVIRONMENT_PREFIX",
    "SECRET_SCHEMES",
    "THROW_AWAY",
    "Backup",
    "Brev",
    "Bydel",
    "CaseSystem",
    "Configuration",
    "Engine",
    "Evidence",
    "Flow",
    "Frist",
    "Hjemmel",
    "Intake",
    "Issuer",
    "KeyPair",
    "Listener",
    "Listeners",
    "Maskinporten",
    "Mottaker",
    "Oppbevaring",
    "Papir",
    "Pkcs11",
    "Priser",
    "Reconcile",
    "Regel",
    "Revocation",
    "SecretReference",
    "Section",
    "Settings",
    "Store",
    "Tenant",
    "Tid",
    "TimeStamp",
    "Trust",
    "Vei",
    "Vindu",
    "load",
    "read",
    "read_secret",
    "resolve",
    "secret_path",
]
