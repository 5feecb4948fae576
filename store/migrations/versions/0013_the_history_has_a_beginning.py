"""the history has a beginning"""

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What it changes needs the sealing key, and is made by who opens the store, right after this (`chain.begin`)."""
