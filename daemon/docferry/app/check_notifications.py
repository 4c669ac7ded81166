"""Check by which ways stores may tell of changes."""

from __future__ import annotations

from collections.abc import Iterator

from docferry.app.findings import Finding
from docferry.app.onlooker import Onlooker
from docferry.app.sides import s3_options
from docferry.config import Config
from docferry.errors import DocferryError
from docferry.storage.sqs import Queue


def check_notifications(config: Config, onlooker: Onlooker) -> Iterator[Finding]:
    """Read from each queue, and leave what is in it; say whether stores may tell by HTTP."""
    for queue in config.queues.values():
        name = f"sqs {queue.name}"
        try:
            with onlooker.waiting(queue.queue_url):
                store = s3_options(config.stores[queue.store], config.transfers)
                Queue(store, queue.queue_url).try_out()
        except DocferryError as error:
            remedy = "until then its changes are seen at the next poll"
            yield Finding("store", name, "warning", str(error), remedy)
        else:
            yield Finding("store", name, "ok", f"{queue.queue_url} can be read")
    if config.notifications_secret is not None and not (config.api_port or config.api_socket):
        what = "there is a notifications.secret, and no API that stores could tell"
        yield Finding("config", "notifications", "warning", what, "a `port` in [api]")
