"""Check whether the receivers of webhooks can be reached; nothing is sent to them."""

from __future__ import annotations

from collections.abc import Iterator

from docferry.app.findings import Finding
from docferry.app.onlooker import Onlooker
from docferry.app.sending import receiver_of
from docferry.config import Config
from docferry.deliver.send import Receiver, reach
from docferry.deliver.wire import Resolve, Wire, resolve
from docferry.errors import UnreachableError, UserError

_PATIENCE_S = 10.0


def check_webhooks(
    config: Config, onlooker: Onlooker, resolve: Resolve = resolve
) -> Iterator[Finding]:
    """Connect to each receiver, with TLS where it has that; never raises for what it finds."""
    for options in config.webhooks.values():
        receiver = receiver_of(options)
        with onlooker.waiting(f"the receiver of webhook {options.name}"):
            found = _check(receiver, resolve)
        yield found
        if len(options.secrets) > 1:
            what = f"signs with two secrets: {options.name}.webhook.previous is there, too"
            remedy = f"take {options.name}.webhook.previous away once the receiver has the new one"
            yield Finding("webhook", f"webhook {options.name}", "warning", what, remedy)


def _check(receiver: Receiver, resolve: Resolve) -> Finding:
    name = f"webhook {receiver.name}"
    try:
        with Wire(min(_PATIENCE_S, receiver.timeout_s)) as wire:
            reach(receiver, wire, resolve=resolve)
    except UnreachableError as error:
        waits = "until then what it is to be told waits, for three days"
        return Finding("webhook", name, "warning", str(error), waits)
    except UserError as error:
        remedy = "until then nothing is sent, and after three days it is given up"
        return Finding("webhook", name, "error", str(error), remedy)
    how = f"docferry webhooks test {receiver.name} says whether it takes an event"
    return Finding("webhook", name, "ok", f"{receiver.origin} can be reached; {how}")
