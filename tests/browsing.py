"""Somebody with a browser that has no scripts: pages, forms, cookies, over plain HTTP."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any

import requests

from serving import Served

_PROOF = re.compile(r'name="proof" value="([0-9a-f]+)"')


@dataclass
class Browser:
    """One visitor, with the cookies that they were given."""

    api: Served
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **given: Any) -> requests.Response:
        return self.session.get(self.api.url + path, timeout=30, **given)

    def send(
        self, path: str, *, proof: str | None = "", headers: Any = None, **fields: Any
    ) -> requests.Response:
        """Send a form. *proof* "": as a page of ours has it; None: without."""
        if proof is not None:
            fields["proof"] = proof or self.proof()
        return self.session.post(
            self.api.url + path, data=fields, headers=headers, timeout=30, allow_redirects=False
        )

    def log_in(self, key: str) -> requests.Response:
        return self.send("/login", key=key, proof=None)

    def proof(self) -> str:
        found = _PROOF.search(self.get("/mirrors").text)
        return found[1] if found else ""

    def follow(self, answer: requests.Response) -> str:
        """Go where a form leads, and give what is said there."""
        assert answer.status_code == 303, answer.text
        return words_of(self.get(answer.headers["Location"]).text)


def words_of(page: str) -> str:
    """Give what somebody reads."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
