"""docling-serve: a task that is asked about again and again, or one long answer."""

from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import quote

from docferry.convert.base import ConverterDownError, Document
from docferry.convert.service_bodies import Fields, FormBody
from docferry.convert.service_shapes import as_json, as_utf8, value_at
from docferry.convert.service_talk import Json, Talk
from docferry.errors import UserError

#: How a result is waited for: by asking about a task, or as the answer itself.
Waits: TypeAlias = Literal["poll", "answer"]

#: What docling makes, by extension: the word for it, and where it is in the answer.
FORMATS = {
    ".md": ("md", "md_content"),
    ".txt": ("text", "text_content"),
    ".html": ("html", "html_content"),
    ".json": ("json", "json_content"),
    ".doctags": ("doctags", "doctags_content"),
}
#: Fields that may come several times, here separated by commas.
_LISTS = {"from_formats", "ocr_lang"}
#: What decides where the result goes; it is ours.
_OURS = {"files", "to_formats", "target_type", "callbacks"}

_LONGEST_POLL_S = 20.0  # an answer that takes longer may be taken for dead by a proxy
_SHORTEST_POLL_S = 1.0  # between two, where the service does not wait
_FAILED_POLLS = 3  # in a row: a service that starts anew comes back, without its tasks


@dataclass(frozen=True, slots=True)
class Docling:
    """docling-serve, from 1.0 on."""

    base: str
    produces: str
    fields: Fields
    waits: Waits

    @property
    def health_url(self) -> str:
        return f"{self.base}/health"

    @property
    def version_url(self) -> str:
        return f"{self.base}/version"

    def convert(self, talk: Talk, document: Document, result: pathlib.Path) -> str:
        body = FormBody(document.path, document.media_type, part="files", fields=self.fields)
        if self.waits == "answer":
            with talk.ask("POST", f"{self.base}/v1/convert/file", body=body) as answer:
                return self._save(talk, talk.json(answer), result)
        with talk.ask("POST", f"{self.base}/v1/convert/file/async", body=body) as answer:
            task = _task_of(talk, talk.json(answer))
        self._wait(talk, task)
        return self._save(talk, self._about(talk, "result", task), result)

    def _wait(self, talk: Talk, task: str) -> None:
        """Wait until *task* is done."""
        failed = 0
        while True:
            talk.ensure_time_is_left()
            left_s = talk.line.left_s
            wait_s = min(_LONGEST_POLL_S, left_s)
            try:
                told = self._about(talk, "status/poll", task, f"?wait={wait_s:.0f}")
            except ConverterDownError as error:
                failed += 1
                if failed >= _FAILED_POLLS or isinstance(error, _LostError):
                    raise
                talk.line.pause(error.retry_after_s or _SHORTEST_POLL_S)
                continue
            failed = 0
            status = value_at(told, "task_status")
            if status in {"success", "partial_success"}:
                return
            if status not in {"pending", "started"}:
                raise talk.refused(_why(told) or f"its task ended with {status}")
            talk.line.pause(max(0.0, _SHORTEST_POLL_S - (left_s - talk.line.left_s)))

    def _about(self, talk: Talk, what: str, task: str, query: str = "") -> Json:
        """
        Ask about a task.

        A 404 is no wrong url here: the service was started anew meanwhile, and knows
        nothing of its tasks of before.
        """
        url = f"{self.base}/v1/{what}/{quote(task, safe='')}{query}"
        with talk.ask("GET", url, accepts=frozenset({200, 404})) as answer:
            if answer.status_code == 404:
                raise _LostError(talk.lost("does not know the task any more"))
            return talk.json(answer)

    def _save(self, talk: Talk, told: Json, result: pathlib.Path) -> str:
        status = value_at(told, "status")
        if status not in {"success", "partial_success"}:
            raise talk.refused(_why(told) or f"its status is {status}")
        field = f"document.{FORMATS[self.produces][1]}"
        value = value_at(told, field)
        if self.produces == ".json" and value is not None:
            talk.write(as_json(value), result)
        elif isinstance(value, str):
            talk.write(as_utf8(value), result)
        else:
            raise talk.wrong(f"JSON that has nothing at {field}")
        return f"only in part: {_why(told)}" if status == "partial_success" else ""


class _LostError(ConverterDownError):
    def __init__(self, error: ConverterDownError) -> None:
        super().__init__(str(error), is_in_doubt=True)


def docling(base: str, produces: str, fields: Fields, waits: Waits) -> Docling:
    """
    Raises:
        UserError: It does not make that; or an option is not for the operator.
    """
    if produces not in FORMATS:
        raise UserError(f"a docling converter produces one of {', '.join(FORMATS)}")
    for name, _ in fields:
        if name in _OURS:
            raise UserError(f"{name} of a docling converter is set by docferry")
    # Pictures as text inside a Markdown file are its larger part, and nobody reads them.
    said = {"image_export_mode": "placeholder", **dict(fields)}
    sent = [("to_formats", FORMATS[produces][0]), ("target_type", "inbody")]
    for name, value in said.items():
        values = value.split(",") if name in _LISTS else [value]
        sent += [(name, one.strip()) for one in values]
    return Docling(base, produces, tuple(sent), waits)


def _task_of(talk: Talk, told: Json) -> str:
    task = value_at(told, "task_id")
    if not isinstance(task, str) or not task:
        raise talk.wrong("JSON that names no task")
    return task


def _why(told: Json) -> str:
    """Give what it says about a failure: in `errors`, in `failure`, or in `error_message`."""
    words = []
    errors = value_at(told, "errors")
    for error in errors if isinstance(errors, list) else []:
        words.append(str(value_at(error, "error_message") or error))
    for field in ("error_message", "failure.message", "failure"):
        if not words and (said := value_at(told, field)):
            words.append(said if isinstance(said, str) else json.dumps(said))
    return "; ".join(words)
