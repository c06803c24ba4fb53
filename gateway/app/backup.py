"""Backups as configuration describes them: whose database, sealed for whom, signed with what."""

from sqlalchemy import URL

from gateway import config
from gateway.app.parts import data_dir, offices_of
from gateway.backup.place import Place
from gateway.backup.seal import Recipient
from gateway.config import Configuration
from gateway.crypto.notes import NoteSigner
from gateway.crypto.trust import Certificate, read_roots
from gateway.errors import ConfigError
from gateway.store.opening import embedded, postgres_url


def place_of(configuration: Configuration) -> Place:
    """Where the gateway's data lies, as the store's own role sees it. Raises ConfigError."""
    return Place(data_dir(configuration), None if embedded(configuration) else postgres_url(configuration))


def source_of(configuration: Configuration) -> Place:
    """The same, as the role of backups sees it. Raises ConfigError."""
    place, settings = place_of(configuration), configuration.settings.backup
    if place.database is None:
        return place
    if settings.database_user is None:
        message = "backup.database_user: on PostgreSQL a backup needs a role that row-level security does not bind"
        raise ConfigError(message)
    return Place(place.data_dir, _as_backup_role(configuration, place.database))


def _as_backup_role(configuration: Configuration, url: URL) -> URL:
    settings = configuration.settings.backup
    reference = settings.database_password
    password = config.read_secret(configuration.folder, reference).decode() if reference else None
    return url.set(username=settings.database_user, password=password)


def recipient_of(configuration: Configuration, passphrase: bytes | None) -> Recipient:
    """Whom a backup is sealed for: a passphrase counts only where no certificate is configured. Raises ConfigError."""
    certificate = backup_certificate(configuration)
    if certificate is not None and passphrase is not None:
        message = "backup.certificate is configured: a passphrase would be a second way in"
        raise ConfigError(message)
    return Recipient(certificate, passphrase)


def backup_certificate(configuration: Configuration) -> Certificate | None:
    """The configured one. Raises ConfigError when it cannot be read, or when its private key is on this host (S92)."""
    file = configuration.settings.backup.certificate
    if file is None:
        return None
    found = read_roots([config.resolve(configuration.folder, file)])
    if len(found) != 1:
        message = "backup.certificate: one certificate is wanted"
        raise ConfigError(message)
    ours = [key.certificate for office in offices_of(configuration).all() for key in office.receive.decryption_keys()]
    if any(one.public_key() == found[0].public_key() for one in ours):
        message = (
            "backup.certificate: its private key is on this host; whoever takes the host must not open its backups"
        )
        raise ConfigError(message)
    return found[0]


def signer_of(configuration: Configuration, origin: str) -> NoteSigner | None:
    """The log's key under this name; None where none is configured. Raises ConfigError."""
    reference = configuration.settings.evidence.key
    if reference is None:
        return None
    return NoteSigner.from_file(origin, config.secret_path(configuration.folder, reference))
