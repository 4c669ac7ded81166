"""Templates: what every page has around it, and the filters by which values become HTML."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from docferry.core.words import counted
from docferry.web.pages import words
from docferry.web.preview import rendered

_HERE = Path(__file__).parents[1]
ASSETS = _HERE / "assets"

#: Nothing is run, styled or asked for but what docferry itself has sent as a file.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    # Not "no-referrer": then a browser hides where a form comes from, and it would be refused.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Vary": "Cookie",
}


def page(template: str, status: int = 200, **context: object) -> HTMLResponse:
    """Render a template. What it names and is not given is a bug, and raises."""
    return HTMLResponse(_environment().get_template(template).render(context), status, HEADERS)


@cache
def asset_url(name: str) -> str:
    """Give where a file of ours is; another content has another address."""
    return f"/assets/{_digest(name)}/{name}"


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:12]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "ago": words.moment,
        "size": words.size,
        "visible": words.visible,
        "visible_text": words.visible_text,
        "markdown": rendered,
        "spelled": words.spelled,
        "number": words.number,
        "lasted": words.lasted,
        "counted": counted,
        "facts": _facts,
        "at": _at,
    }
    environment.globals["asset"] = asset_url
    return environment


def _facts(text: str) -> list[tuple[str, str]]:
    """Read the facts of a row of the audit."""
    try:
        found = json.loads(text)
    except ValueError:
        return [("", text)]
    return [
        (str(name), _short(value)) for name, value in found.items() if value not in (None, "", [])
    ]


def _short(value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    shown = ", ".join(str(one) for one in value[:3])
    return f"{shown} and {len(value) - 3} more" if len(value) > 3 else shown


def _at(text: str) -> Markup:
    """Show a time that the audit has as text: it need not be one."""
    try:
        return words.moment(datetime.fromisoformat(text))
    except ValueError:
        return words.visible(text)
