"""Whatever receivers and the daemon go through: every event is told, in the order of its file."""

from __future__ import annotations

import json
import pathlib
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from hypothesis import given, settings
from hypothesis import strategies as st

from docferry.core.webhooks import Answer, Delivered, DeliveryState, Missed, Wants, judged
from docferry.deliver.send import Receiver
from docferry.deliver.wire import Wire
from docferry.engine.webhook_lane import Webhook
from docferry.engine.webhooks import Webhooks
from docferry.model import Ulid
from webhook_bench import Bench, bench_in
from webhook_receiver import OLDER, SECRET

PATHS = "abc"
#: Each flushes a ledger to the disk a hundred times: `make soak` tries many more.
_EXAMPLES = max(1, (settings.default or settings()).max_examples // 4)


class Mood(Enum):
    """How a receiver is."""

    WELL = auto()
    AWAY = auto()  # nobody reaches it
    FAILS = auto()  # 500 for all
    REFUSES_A = auto()  # 400 for one file
    FORGETFUL = auto()  # it takes all of it, and says that it has not


@dataclass
class Crm:
    """A receiver, and what it has."""

    mood: Mood = Mood.WELL
    got: list[tuple[Ulid, str, str]] = field(default_factory=list)  #: message, path, version

    def __call__(
        self, receiver: Receiver, message_id: Ulid, payload: str, at: datetime, wire: Wire
    ) -> Answer:
        about = json.loads(payload)["data"]
        match self.mood:
            case Mood.AWAY:
                return Missed("refused", was_sent=False, is_outage=True)
            case Mood.FAILS:
                return judged(500, "", None)
            case Mood.REFUSES_A if about["path"] == "a":
                return judged(400, "", None)
        self.got.append((message_id, about["path"], about["version"]))
        return judged(502, "", None) if self.mood is Mood.FORGETFUL else Delivered(200)

    def versions(self, path: str) -> list[str]:
        """Give what it was told of *path*, without what came twice."""
        messages = {one: version for one, of, version in self.got if of == path}
        return [*messages.values()]


@dataclass(frozen=True)
class Put:
    path: str


@dataclass(frozen=True)
class Wait:
    minutes: int


@dataclass(frozen=True)
class Kill:
    """The daemon ends, with so many deliveries under way."""

    under_way: int


@dataclass(frozen=True)
class Reload:
    """The configuration is another: signed anew, and told of these files alone."""

    secret: str
    patterns: tuple[str, ...]


STEPS = st.lists(
    st.one_of(
        st.builds(Put, st.sampled_from(PATHS)),
        st.builds(Put, st.sampled_from(PATHS)),
        st.sampled_from(Mood),
        st.builds(Wait, st.integers(1, 90)),
        st.builds(Kill, st.integers(0, 2)),
        st.builds(Reload, st.sampled_from([SECRET, OLDER]), st.sampled_from([(), ("a", "b")])),
    ),
    max_size=25,
)


FIRST = Reload(SECRET, ())


def webhook_of(now: Reload) -> Webhook:
    receiver = Receiver("crm", "http://x/", (now.secret,))
    return Webhook(receiver, Wants(patterns=now.patterns))


def webhooks_of(bench: Bench, crm: Crm, configured: Reload) -> Webhooks:
    made = Webhooks(
        bench.ledger,
        [webhook_of(configured)],
        send=crm,
        now=lambda: bench.now,
        jitter=lambda: 0.5,
    )
    made.prepare()
    return made


@settings(max_examples=_EXAMPLES, deadline=None)
@given(STEPS)
def test_every_event_is_told_in_the_order_of_its_file(
    steps: list[Put | Mood | Wait | Kill | Reload],
) -> None:
    with tempfile.TemporaryDirectory() as folder, bench_in(pathlib.Path(folder)) as bench:
        crm = Crm()
        configured = FIRST
        webhooks = webhooks_of(bench, crm, configured)
        expected: dict[str, list[Ulid]] = {path: [] for path in PATHS}
        for number, step in enumerate(steps):
            match step:
                case Put(path):
                    put = bench.put(path, f"{number}")
                    is_wanted = not configured.patterns or path in configured.patterns
                    expected[path] += put if is_wanted else []
                case Mood():
                    crm.mood = step
                case Wait(minutes):
                    bench.now += timedelta(minutes=minutes)
                    webhooks.work_off()
                case Kill(under_way):
                    webhooks.derive()
                    for _ in range(under_way):
                        bench.ledger.deliveries.claim("crm", bench.now, bench.now)
                    webhooks = webhooks_of(bench, crm, configured)
                case Reload():
                    configured = step
                    webhooks.change([webhook_of(configured)])
        crm.mood = Mood.WELL

        bench.go_on(webhooks, timedelta(days=3), timedelta(hours=12))

        assert {path: crm.versions(path) for path in PATHS} == expected
        assert {row.state for row in bench.rows()} <= {DeliveryState.DONE}
