"""Why a rule takes a version, or does not, in words for a person."""

from __future__ import annotations

from docferry.core.rules import Rule
from docferry.model import Origin, VersionRow


def why_not(rule: Rule, version: VersionRow, *, is_meant: bool = False) -> str | None:
    """
    Say why *rule* calls for no conversion of *version*; None: it does.

    Of its types nothing is said: they are told by the content, when the job's turn comes.

    Args:
        is_meant: A person asks for this very conversion.
    """
    if version.mirror != rule.from_mirror:
        return f"it is for files of {rule.from_mirror}"
    if version.origin is Origin.CONVERSION and not is_meant:
        return (
            "results of conversions are not converted again, unless docferry convert PATH "
            "--rule NAME asks for it"
        )
    if not rule.patterns.takes(version.path):
        return "its patterns do not match the path"
    if version.size < rule.smallest:
        return f"the file has {version.size} bytes, and min_size is {rule.smallest}"
    if rule.largest is not None and version.size > rule.largest:
        return f"the file has {version.size} bytes, and max_size is {rule.largest}"
    return None
