"""Files as the API tells of them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from docferry.core.standing import Standing
from docferry.job import Failure, JobStage, JobState
from docferry.model import Origin, Side
from docferry.web.values import sent

_ULID = "01KAV3Z9V6T3S0G4Q2M8X7C5RD"
EXAMPLE_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class _Told(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Result(_Told):
    """A result, where it was put."""

    mirror: str = Field(examples=["processed"])
    path: str = Field(examples=[f"{_ULID}.md"])
    version: str | None = Field(description="null: not settled yet, or replaced.", examples=[_ULID])


class Rendition(_Told):
    """What a rule makes of a document."""

    rule: str = Field(examples=["to-markdown"])
    program: str = Field(
        validation_alias="converter",
        description="Which has made it, with its version; before that the name of the converter.",
        examples=["xberg 1.3.9"],
    )
    job: str | None = Field(
        description="null: of the same content in a mirror that you may not see; then no more is "
        "told than its state and its result.",
        examples=[_ULID],
    )
    state: JobState
    stage: JobStage | None = Field(description="Of a running one.")
    attempts: int
    created_at: datetime | None
    finished_at: datetime | None
    failure: Failure | None = Field(description="Of the last attempt that failed.")
    error: str | None
    note: str | None = Field(description="What a person should know about the result.")
    result: Result | None


class File(_Told):
    """A file, or a content that one had."""

    mirror: str = Field(examples=["docs"])
    path: str = Field(examples=["reports/2026.docx"])
    id: str | None = Field(
        description="Of the version; null: nothing has ever come to rest at the path.",
        examples=[_ULID],
    )
    sha256: str | None = Field(examples=[EXAMPLE_SHA256])
    size: int | None = Field(description="Bytes.", examples=[48213])
    modified_at: datetime | None
    created_at: datetime | None = Field(description="When the version came to be.")
    left_at: datetime | None = Field(description="When its path ceased to hold it.")
    origin: Origin | None
    is_present: bool = Field(description="Whether its path holds this version.")
    standings: list[Standing] = Field(
        description="How it stands, the weightiest first, as far as the ledger knows."
    )
    sides: list[Side] = Field(description="That have it, as far as is known.")
    problem: str | None = Field(description="Why the last try to carry it failed.")
    retry_at: datetime | None = Field(description="null with a problem: a person must mend it.")
    hold: int | None = Field(description="That keeps its deletion, or a change, from travelling.")
    conflict: int | None
    request: int | None = Field(description="That is open for its path.")
    is_kept: bool = Field(description="Whether no retention takes this version.")
    let_go_at: datetime | None = Field(description="When retention let its bytes go.")
    parent: str | None = Field(description="The version that it replaced.")
    renditions: list[Rendition] = Field(description="By the rules of now.")


class Files(BaseModel):
    """A page. It may be short, or empty, although there is more: only `next` tells."""

    items: list[File]
    next: str | None = Field(description="The `cursor` of the next page; null: that was all.")


class FileDetail(_Told):
    """A version, and what its path holds now."""

    file: File
    present: str | None = Field(description="null: nothing.", examples=[_ULID])


class Version(_Told):
    """A content that came to rest at a path."""

    id: str = Field(examples=[_ULID])
    mirror: str
    path: str
    sha256: str = Field(examples=[EXAMPLE_SHA256])
    size: int
    origin: Origin
    parent: str | None
    created_at: datetime
    left_at: datetime | None = Field(description="null: its path holds it.")
    agreed: bool = Field(description="false: one side alone held it, for a while.")
    held: bool = Field(description="Whether no retention takes it.")
    gone_at: datetime | None = Field(description="When retention let its bytes go.")


class Versions(BaseModel):
    """Versions, the newest first."""

    items: list[Version]
    next: str | None = Field(description="The `cursor` of the next page; null: that was all.")


class Renditions(BaseModel):
    """Conversions, the newest first."""

    items: list[Rendition]


class Received(_Told):
    """A document that is in its mirror's folder, and outlives a power cut."""

    mirror: str
    path: str
    sha256: str = Field(examples=[EXAMPLE_SHA256])
    size: int
    is_new: bool = Field(description="false: the very same was there already.")
    replaced: str | None = Field(description="The version that is in the archive now.")
    version: str | None = Field(
        default=None, description="null: it has yet to be settled; ask with Prefer: wait=10"
    )


class RestoreWanted(BaseModel):
    """Where a version is to be put."""

    model_config = sent(to="reports/2026-before.docx")

    to: str | None = Field(
        default=None,
        max_length=4096,
        description="null: to its own path; what is there goes to the archive.",
        examples=["reports/2026-before.docx"],
    )


#: An absent body.
IN_PLACE = RestoreWanted()


class Requested(BaseModel):
    """What the daemon is asked for."""

    request: int
    is_new: bool = Field(description="false: the same was asked for, and is open still.")
