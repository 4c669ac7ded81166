"""What surviving needs to remember: held changes, transfers to go on with, requests counted."""

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the tables."""
