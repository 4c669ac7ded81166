"""The ledger: what both sides agreed on, every version, and what waits for a person or a worker."""

from docferry.ledger.conflicts import ConflictRow
from docferry.ledger.history import HistoryRow
from docferry.ledger.holds import HoldRow
from docferry.ledger.ledger import Ledger
from docferry.ledger.mirrors import MirrorRow
from docferry.ledger.problems import ProblemRow

__all__ = ["ConflictRow", "HistoryRow", "HoldRow", "Ledger", "MirrorRow", "ProblemRow"]
