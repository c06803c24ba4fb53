"""What the fields of an envelope look like: bounded texts, codes, names of files."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from gateway.domain.identifiers import is_organisation_number


def _printable(text: str) -> str:
    if not text.isprintable():
        message = "not printable"
        raise ValueError(message)
    return text


def _organisation(text: str) -> str:
    if not is_organisation_number(text):
        message = "wrong control digit"
        raise ValueError(message)
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Prose = Annotated[str, Field(min_length=1, max_length=2000)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
Account = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
OrganisationNumber = Annotated[str, AfterValidator(_organisation)]
Identity = Annotated[str, Field(pattern=r"^[0-9]{11}$")]
PersonNumber = Annotated[str, Field(pattern=r"^[0-9]{11,12}$")]
FileName = Annotated[str, Field(pattern=r'^[^/\\%:*?"<>|\x00-\x1f.][^/\\%:*?"<>|\x00-\x1f]{0,90}\.(json|pdf|xml)$')]
MediaType = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,60}$")]


class EnvelopeField(BaseModel):
    """camelCase on the wire, strict, nothing unknown; errors do not repeat what was sent."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, hide_input_in_errors=True
    )
