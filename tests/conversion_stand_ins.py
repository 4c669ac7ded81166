"""
Servers that speak as Gotenberg, docling-serve and Tika do.

What they say is what their own documentation and tests say of them. The stand-in for
Gotenberg converts with the real LibreOffice; the others make letters capital.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

from conversion_servers import Asked, FailingServer, Said

_OFFICE_TIMEOUT_S = 100
_PLAIN = {"Content-Type": "text/plain; charset=UTF-8"}
_MARKED_BROKEN = b"BROKEN"  # a document with this in it cannot be converted


def _told(told: object, status: int = 200) -> Said:
    return Said(
        status=status,
        headers={"Content-Type": "application/json"},
        body=json.dumps(told).encode(),
    )


class GotenbergStandIn(FailingServer):
    """
    Gotenberg 8 or 9: one LibreOffice at a time, each with a profile of its own.

    queue: How many may wait; one more is told 429.
    """

    def __init__(self, folder: Path, *, major: int = 8, queue: int = 4) -> None:
        super().__init__()
        self.major = major
        self.is_healthy = True
        self._folder = folder
        self._places = threading.BoundedSemaphore(queue + 1)
        self._office = threading.Lock()

    def convert(self, asked: Asked) -> Said:
        match asked.method, asked.path:
            case "GET" | "HEAD", "/health":
                status = "up" if self.is_healthy else "down"
                details = {"libreoffice": {"status": status}}
                told = {"status": status, "details": details}
                return _told(told, 200 if self.is_healthy else 503)
            case "GET", "/version":
                return Said(headers=_PLAIN, body=f"{self.major}.0.0".encode())
            case "POST", "/forms/libreoffice/convert":
                return self._traced(asked)
            case _, ("/forms/libreoffice/convert" | "/health" | "/version"):
                return Said(405, _PLAIN, b"Method Not Allowed")
            case _:
                return Said(404, _PLAIN, b"Not Found")

    def _traced(self, asked: Asked) -> Said:
        said = self._checked(asked)
        trace = asked.headers.get("gotenberg-trace", "made-here")
        return Said(said.status, {**said.headers, "Gotenberg-Trace": trace}, said.body)

    def _checked(self, asked: Asked) -> Said:
        if not asked.headers.get("content-type", "").startswith("multipart/form-data"):
            return Said(415, _PLAIN, b"Invalid 'Content-Type' header value")
        if "files" not in asked.files:
            return Said(400, _PLAIN, b"Invalid form data: no form file found for extensions: ...")
        name, content = asked.files["files"]
        moved = {"pdfa", "pdfua", "merge", "flatten", "metadata"} & asked.fields.keys()
        if self.major >= 9 and moved:
            return Said(400, _PLAIN, f"Invalid form data: {moved} is a stage now".encode())
        if self.major >= 9 and name.endswith(".epub"):
            return Said(400, _PLAIN, b"Invalid form data: no form file found for extensions")
        if not self._places.acquire(blocking=False):
            return Said(429, {**_PLAIN, "Retry-After": "2"}, b"Too Many Requests")
        try:
            with self._office:
                return self._to_pdf(name, content)
        finally:
            self._places.release()

    def _to_pdf(self, name: str, content: bytes) -> Said:
        with TemporaryDirectory(dir=self._folder) as folder_name:
            folder = Path(folder_name)
            source = folder / Path(name).name
            source.write_bytes(content)
            command = [
                *("soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless"),
                *("--convert-to", "pdf", "--outdir", str(folder / "out"), str(source)),
            ]
            subprocess.run(command, capture_output=True, timeout=_OFFICE_TIMEOUT_S, check=False)
            made = list((folder / "out").glob("*.pdf"))
            if not made:  # it says 0 whatever happens
                return Said(400, _PLAIN, b"The document could not be loaded by LibreOffice")
            headers = {
                "Content-Type": "application/pdf",
                "Content-Disposition": f'attachment; filename="{made[0].name}"',
            }
            return Said(headers=headers, body=made[0].read_bytes())


@dataclass(slots=True)
class _Task:
    document: bytes
    formats: str
    ready_at_s: float


class DoclingStandIn(FailingServer):
    """
    docling-serve: tasks, and one long answer.

    takes_s: How long a task goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.takes_s = 0.0
        self.has_partial_results = False
        self._tasks: dict[str, _Task] = {}
        self._made = 0

    def forget_tasks(self) -> None:
        """Be as after a restart."""
        self._tasks.clear()

    def convert(self, asked: Asked) -> Said:
        parts = urlsplit(asked.path)
        match asked.method, parts.path.strip("/").split("/"):
            case "GET", ["health"]:
                return _told({"status": "ok"})
            case "GET", ["version"]:
                return _told({"docling-serve": "1.38.2"})
            case "POST", ["v1", "convert", "file"]:
                return self._result(self._task_for(asked))
            case "POST", ["v1", "convert", "file", "async"]:
                self._made += 1
                self._tasks[task := f"task-{self._made}"] = self._task_for(asked)
                return _told({"task_id": task, "task_status": "pending"})
            case "GET", ["v1", ("status" | "result") as what, *_, task]:
                known = self._tasks.get(task)
                if known is None:
                    return _told({"detail": "Task not found."}, 404)
                if what == "result":
                    return self._result(known)
                return self._status(task, known, float(parse_qs(parts.query)["wait"][0]))
            case _:
                return _told({"detail": "Not Found"}, 404)

    def _task_for(self, asked: Asked) -> _Task:
        formats = asked.fields.get("to_formats", "md")
        return _Task(asked.document, formats, time.monotonic() + self.takes_s)

    def _status(self, name: str, task: _Task, wait_s: float) -> Said:
        self.pause(min(wait_s, max(0.0, task.ready_at_s - time.monotonic())))
        is_ready = time.monotonic() >= task.ready_at_s
        status = "success" if is_ready else "started"
        told = {"task_id": name, "task_status": status}
        if is_ready and _MARKED_BROKEN in task.document:
            told |= {"task_status": "failure", "error_message": "it is BROKEN"}
        return _told(told)

    def _result(self, task: _Task) -> Said:
        if _MARKED_BROKEN in task.document:
            errors = [{"component_type": "pipeline", "error_message": "it is BROKEN"}]
            return _told({"status": "failure", "errors": errors, "document": {}})
        text = task.document.decode(errors="replace").upper()
        field = {"md": "md_content", "text": "text_content", "html": "html_content"}.get(
            task.formats, "json_content"
        )
        value = {"texts": [text]} if field == "json_content" else text
        if self.has_partial_results:
            errors = [{"error_message": "page 3 was left out"}]
            return _told(
                {"status": "partial_success", "document": {field: value}, "errors": errors}
            )
        return _told({"status": "success", "document": {field: value}, "errors": []})


class TikaStandIn(FailingServer):
    """Tika's server, 4: a document that cannot be read is 422, or an exception in JSON."""

    def convert(self, asked: Asked) -> Said:
        match asked.method, asked.path:
            case "GET", "/version":
                return Said(headers=_PLAIN, body=b"Apache Tika 4.0.0")
            case "PUT", "/tika/json":
                return _told(self._in_json(asked.body))
            case "PUT", ("/tika/text" | "/tika/md" | "/tika/html" | "/tika/xml") as path:
                if _MARKED_BROKEN in asked.body:
                    return Said(422, _PLAIN, b"what could be read of it")
                kind = {"text": "plain", "md": "markdown"}.get(path[6:], path[6:])
                return Said(headers={"Content-Type": f"text/{kind}"}, body=asked.body.upper())
            case _, ("/version" | "/tika/text" | "/tika/json"):
                return Said(405, _PLAIN, b"Method Not Allowed")
            case _:
                return Said(404, _PLAIN, b"Not Found")

    def _in_json(self, document: bytes) -> dict[str, str]:
        if _MARKED_BROKEN in document:
            return {"tk:exception:container-exception": "TikaException: it is BROKEN"}
        return {"tk:content": document.decode().upper(), "Content-Type": "text/plain"}
