"""
`make demo`: docferry at work before your eyes, on ./demo/ and an S3 server of its own.

Each step is checked, not only printed: what does not come to be ends the demo with
exit code 1. Afterwards everything keeps running, for you to try, until Ctrl-C.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

import servers
from samples import office

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "demo"
CONFIG = """\
{mark}; `make demo` writes it anew.
state_dir = "{folder}/state"

[store.demo]
endpoint_url = "{endpoint_url}"

[mirror.documents]
store = "demo"
bucket = "{bucket}"
prefix = "documents/"
local = "{folder}/documents"
poll = "1s"
settle = "500ms"

[mirror.processed]
store = "demo"
bucket = "{bucket}"
prefix = "processed/"
local = "{folder}/processed"
poll = "1s"

[drop.inbox]
folder = "{folder}/inbox"
into = "documents"
settle = "500ms"

[[convert]]
name = "text"
from = "documents"
patterns = ["*", "!*.txt", "!*.md", "!/printed/"]
to = "processed"
with = "markdown"

[[convert]]
name = "printed"
from = "documents"
patterns = ["*.docx"]
to = "documents/printed/{{dir}}{{stem}}.{{ext}}"
with = "pdf"

[metrics]
port = {port}

[api]
port = {api_port}
"""
MARK = "# The configuration of a demo of docferry"
_STEP_WITHIN_S = 60.0
_CONVERTED_WITHIN_S = 180.0
_STOP_WITHIN_S = 15.0
_LOOK_EVERY_S = 0.1

console = Console(highlight=False, soft_wrap=True)


class DemoError(Exception):
    """A step did not come to be; the message says which, and what to look at."""


class Ended(Exception):
    """Somebody pressed Ctrl-C, or sent a signal."""


class Demo:
    """The running parts, and the steps one sees."""

    def __init__(
        self,
        folder: Path,
        server: servers.S3Server,
        ports: Sequence[int],
        ending: threading.Event,
    ) -> None:
        self.folder = folder
        self.client: S3Client = server.client()
        self.endpoint_url = server.endpoint_url
        self.port, self.api_port = ports
        self.config = folder / "docferry.toml"
        self.log = folder / "docferry.log"
        self._ending = ending
        self._steps = 0

    # The steps.

    def show(self, daemon: subprocess.Popen[bytes]) -> None:
        self._drop_documents()
        self._find_markdown()
        self._find_pdf()
        self._upload_from_outside()
        self._make_a_conflict(daemon)
        self._tell_status()

    def _drop_documents(self) -> None:
        inbox = self.folder / "inbox"
        self._step("Drop documents into the inbox", inbox)
        documents = office.make_all()
        for name, content in documents.items():
            (inbox / name).write_bytes(content)
        names = sorted(documents)
        self._wait(
            "every document is in the bucket, and the inbox is empty",
            lambda: self._objects("documents/") >= set(names) and not any(inbox.iterdir()),
        )
        for name in names:
            console.print(f"   {name}  ->  s3://{BUCKET}/documents/{name}", markup=False)

    def _find_markdown(self) -> None:
        folder = self.folder / "processed"
        self._step("Each becomes Markdown, on both sides", folder)
        versions = {each["path"]: each["state"]["version"] for each in self._ask("ls", "documents")}
        wanted = {path: f"{versions[path]}.md" for path in office.make_all()}
        self._wait(
            "the Markdown is in the folder and in the bucket",
            lambda: (
                self._objects("processed/") >= set(wanted.values())
                and all((folder / name).is_file() for name in wanted.values())
            ),
            _CONVERTED_WITHIN_S,
        )
        for path, name in sorted(wanted.items()):
            made = (folder / name).read_text()
            lacks = [word for word in office.words_of(path) if word not in made]
            if lacks:
                raise DemoError(f"{folder / name} has not all that {path} says: {lacks}")
            console.print(f"   {path}  ->  processed/{name}", markup=False)
        console.print("   handbook.docx has become:", markup=False)
        for line in (folder / wanted["handbook.docx"]).read_text().splitlines():
            console.print(f"      {line}", style="dim", markup=False)

    def _find_pdf(self) -> None:
        self._step("Some become PDF, beside the originals", self.folder / "documents" / "printed")
        path = "printed/handbook.pdf"
        file, key = self.folder / "documents" / path, f"documents/{path}"
        self._wait(
            f"{path} is in the folder and in the bucket",
            lambda: file.is_file() and self._get(key) == file.read_bytes(),
            _CONVERTED_WITHIN_S,
        )
        if not file.read_bytes().startswith(b"%PDF-"):
            raise DemoError(f"{file} is no PDF")
        console.print("   docferry why printed/handbook.pdf says:", markup=False)
        for line in self._docferry("why", path).stdout.strip().splitlines():
            console.print(f"      {line}", style="dim", markup=False)

    def _upload_from_outside(self) -> None:
        key, content = "documents/from outside/order.txt", b"Two berths, please.\n"
        self._step("Upload to the bucket, as another system would", f"s3://{BUCKET}/{key}")
        file = self.folder / key
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)
        self._wait(
            f"it is in the folder: {file}",
            lambda: file.is_file() and file.read_bytes() == content,
        )

    def _make_a_conflict(self, daemon: subprocess.Popen[bytes]) -> None:
        self._step("Edit one document on both sides at once", self.folder / "documents")
        file, key = self.folder / "documents" / "plan.txt", "documents/plan.txt"
        here, there = b"Sail at seven.\n", b"Sail at eight.\n"
        file.write_bytes(b"Sail at six.\n")
        self._wait("plan.txt is on both sides", lambda: self._get(key) == b"Sail at six.\n")
        with _held_still(daemon):  # else one of the edits would have travelled before the other
            file.write_bytes(here)
            self.client.put_object(Bucket=BUCKET, Key=key, Body=there)
        self._wait("the conflict is listed", lambda: bool(self._conflicts()))
        conflict = self._conflicts()[0]
        copy = file.with_name(conflict["copy_path"])
        self._wait(
            f"plan.txt is the bucket's, {copy.name} the folder's, on both sides",
            lambda: (
                file.read_bytes() == self._get(key) == there
                and copy.read_bytes() == self._get(f"documents/{copy.name}") == here
            ),
        )
        console.print(f"   once you have looked: docferry conflicts settle {conflict['id']}")

    def _conflicts(self) -> list[dict[str, Any]]:
        return [each for each in self._ask("conflicts", "list") if each["path"] == "plan.txt"]

    def _tell_status(self) -> None:
        self._step("Ask docferry how things are", "docferry status")
        self._wait("both mirrors are in step, but for the conflict", self._is_well)
        console.print(self._docferry("status").stdout.strip(), markup=False)

    def _is_well(self) -> bool:
        """The exit code says that somebody has to look: at the conflict."""
        told = self._ask("status")
        healths = {each["row"]["health"] for each in told["mirrors"]}
        return healths == {"in-step"} and not told["converting"] and not told["dead_letters"]

    def tell_where_to_look(self) -> None:
        program = " ".join(_docferry(self.config))
        lines = (
            ("drop a document", f"{self.folder}/inbox/"),
            ("the folders", f"{self.folder}/documents/   {self.folder}/processed/"),
            ("how it is", f"{program} status   (or plan, ls, log, conflicts, check)"),
            ("the page", f"http://127.0.0.1:{self.api_port}/   (and /docs: the HTTP API)"),
            ("metrics", f"http://127.0.0.1:{self.port}/metrics   (and /readyz)"),
            ("its log", str(self.log)),
            (
                "the bucket",
                f"aws --endpoint-url {self.endpoint_url} s3 ls --recursive s3://{BUCKET}/",
            ),
            ("credentials", " ".join(f"{name}={value}" for name, value in _CREDENTIALS.items())),
        )
        console.rule(Text("Where to look"))
        for what, where in lines:
            console.print(f"{what:>16}  {where}", markup=False)

    # What the steps ask.

    def _step(self, what: str, where: object) -> None:
        self._steps += 1
        text = Text(f"\n{self._steps}. {what}", style="bold")
        console.print(text.append(f"   {where}", style="dim"))

    def _wait(self, what: str, is_so: Callable[[], bool], within_s: float = _STEP_WITHIN_S) -> None:
        """
        Look until it is so, and say it.

        Raises:
            DemoError: It is not so in time.
            Ended: The demo is to end.
        """
        deadline_s = time.monotonic() + within_s
        while not is_so():
            if time.monotonic() > deadline_s:
                raise DemoError(f"this did not come to be within {within_s:.0f} s: {what}")
            if self._ending.wait(_LOOK_EVERY_S):
                raise Ended
        console.print(Text("   ok  ", style="green").append(what, style="default"))

    def wait_until_ready(self, daemon: subprocess.Popen[bytes]) -> None:
        self._step("Start docferry", self.config)

        def is_ready() -> bool:
            if daemon.poll() is not None:
                raise DemoError(f"docferry ended with code {daemon.returncode}")
            with suppress(OSError), urllib.request.urlopen(f"{self._url}/readyz", timeout=5):
                return True
            return False

        self._wait("it is ready", is_ready)

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _objects(self, prefix: str) -> set[str]:
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {item["Key"].removeprefix(prefix) for item in listed}

    def _get(self, key: str) -> bytes | None:
        with suppress(self.client.exceptions.NoSuchKey):
            return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return None

    def _docferry(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*_docferry(self.config), *arguments], capture_output=True, text=True, check=False
        )

    def _ask(self, *arguments: str) -> Any:
        return json.loads(self._docferry(*arguments, "--json").stdout)


_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": servers.ACCESS_KEY_ID,
    "AWS_SECRET_ACCESS_KEY": servers.SECRET_ACCESS_KEY,
}


def main() -> int:
    options = _options()
    folder: Path = options.folder.absolute()
    ending = threading.Event()
    # Only noted here: an exception in the middle of a start would leave a process behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ending.set())
    os.environ |= _CREDENTIALS
    try:
        with _prepared(folder), _running(folder, ending) as (demo, daemon):
            demo.wait_until_ready(daemon)
            demo.show(daemon)
            demo.tell_where_to_look()
            if not options.once:
                console.print("\nIt keeps running. Ctrl-C ends it.", style="bold")
                _wait_for_the_end(daemon, ending)
    except Ended:
        pass
    except (DemoError, servers.ServerError) as error:
        console.print(Text(f"\nThe demo failed: {error}", style="red"))
        console.print(f"See {folder}/docferry.log", markup=False)
        return 1
    console.print("\nThe demo is over; nothing of it runs any more.")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].strip())
    parser.add_argument("--once", action="store_true", help="end after the last step")
    root = Path(__file__).parents[1]
    parser.add_argument("--folder", type=Path, default=root / "demo", help="default: ./demo/")
    return parser.parse_args()


@contextmanager
def _prepared(folder: Path) -> Iterator[None]:
    """
    Give the demo an empty folder of its own.

    Raises:
        DemoError: Something that is no demo, or a demo that runs, is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DemoError(f"a demo runs in {folder} already; end that one first") from error
        _clear(folder)
        yield
    finally:
        os.close(handle)


def _clear(folder: Path) -> None:
    found = sorted(folder.iterdir())
    if not found:
        return
    config = folder / "docferry.toml"
    if not config.is_file() or not config.read_text().startswith(MARK):
        raise DemoError(f"{folder} is there and was not made by a demo; move it away")
    console.print(f"{folder} is of an earlier demo: it is emptied first.", markup=False)
    # The configuration last: until then the folder still says that it is a demo's.
    for path in sorted(found, key=lambda path: path == config):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def _running(
    folder: Path, ending: threading.Event
) -> Iterator[tuple[Demo, subprocess.Popen[bytes]]]:
    """Have SeaweedFS and docferry run; end both, docferry first."""
    with ExitStack() as on_exit:
        console.print(Text("Starting SeaweedFS on loopback …", style="bold"))
        for name in ("documents", "processed", "inbox", "store"):
            (folder / name).mkdir()
        ports = servers.free_ports(2)
        (folder / "docferry.toml").write_text(f"{MARK}\n")
        server = on_exit.enter_context(servers.seaweedfs(folder / "store"))
        server.make_bucket(BUCKET)
        demo = Demo(folder, server, ports, ending)
        demo.config.write_text(
            CONFIG.format(
                mark=MARK,
                folder=folder,
                endpoint_url=server.endpoint_url,
                bucket=BUCKET,
                port=ports[0],
                api_port=ports[1],
            )
        )
        console.print(f"   S3 endpoint {server.endpoint_url}, bucket {BUCKET}", markup=False)
        daemon = _start_docferry(demo)
        on_exit.callback(_stop, daemon)
        yield demo, daemon


def _start_docferry(demo: Demo) -> subprocess.Popen[bytes]:
    with demo.log.open("wb") as log:
        return subprocess.Popen(
            [*_docferry(demo.config), "run"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the demo, which ends it in its turn
        )


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


@contextmanager
def _held_still(daemon: subprocess.Popen[bytes]) -> Iterator[None]:
    daemon.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.send_signal(signal.SIGCONT)


def _wait_for_the_end(daemon: subprocess.Popen[bytes], ending: threading.Event) -> None:
    while not ending.wait(0.5):
        if daemon.poll() is not None:
            raise DemoError(f"docferry ended by itself, with code {daemon.returncode}")


def _docferry(config: Path) -> list[str]:
    """Give the installed command; from the source tree, the package."""
    installed = Path(sys.executable).with_name("docferry")
    program = [str(installed)] if installed.exists() else [sys.executable, "-m", "docferry"]
    return [*program, "--config", str(config)]


if __name__ == "__main__":
    sys.exit(main())
