"""
Results that a ledger does not know of: an object says that it is one, and what it was made of.

Such metadata is a claim. Others may write it, and who copies an object takes it along: it is
believed at the places alone to which a rule of that name puts what it makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from docferry.core.rules import Rule
from docferry.ledger import Ledger
from docferry.model import Provenance, Ulid, VersionRow


@dataclass(frozen=True, slots=True)
class Claims:
    """
    Judges what the objects of target mirrors say.

    Args:
        rules: Of the configuration, also those that cannot be carried out for now.
    """

    ledger: Ledger
    rules: Sequence[Rule]

    def believe(self, claimed: Sequence[tuple[VersionRow, Provenance]]) -> set[Ulid]:
        """Write down which of these contents are results, and name their versions."""
        documents = self.ledger.versions.rows([made_from.source for _, made_from in claimed])
        believed = [
            (version, made_from)
            for version, made_from in claimed
            if self._is_believed(version, made_from, documents.get(made_from.source))
        ]
        self.ledger.results.note_claimed(believed)
        return {version.id for version, _ in believed}

    def _is_believed(
        self, version: VersionRow, made_from: Provenance, source: VersionRow | None
    ) -> bool:
        return any(
            rule.name == made_from.rule
            and rule.to_mirror == version.mirror
            and rule.puts(made_from, version.path, source)
            for rule in self.rules
        )
