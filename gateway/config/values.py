"""What every table of the configuration is made of: sections, references to secrets, paths that count from the folder."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict

from gateway.errors import ConfigError

THROW_AWAY: Final = "budstikke: kun til utprøving"
"""Stands in every certificate that our own tools make for trying out; production refuses it (S05)."""
SECRET_SCHEMES: Final = ("file:", "env:", "pkcs11:")


def _secret(value: str) -> str:
    if not value.startswith(SECRET_SCHEMES):
        message = "a secret is a reference: file:PATH, env:NAME or pkcs11:URI"
        raise ValueError(message)
    return value


SecretReference = Annotated[str, AfterValidator(_secret)]
"""Where a secret is, never the secret."""


class Section(BaseModel):
    """A table of the file: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def resolve(folder: Path, path: Path) -> Path:
    """A path from the configuration: relative ones count from the configuration folder."""
    return path if path.is_absolute() else folder / path


def secret_path(folder: Path, reference: str) -> Path:
    """The file a ``file:`` reference names. Raises ConfigError for another scheme."""
    scheme, _, rest = reference.partition(":")
    if scheme != "file":
        message = f"{scheme}: only file: references can be used for this"
        raise ConfigError(message)
    return resolve(folder, Path(rest))


def read_secret(folder: Path, reference: str, environment: Mapping[str, str] = os.environ) -> bytes:
    """The octets a reference stands for. Raises ConfigError."""
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        if rest not in environment:
            message = f"env:{rest}: the variable is not set"
            raise ConfigError(message)
        return environment[rest].encode()
    try:
        return secret_path(folder, reference).read_bytes().strip()
    except OSError as error:
        message = f"{reference}: {error.strerror}"
        raise ConfigError(message) from None
