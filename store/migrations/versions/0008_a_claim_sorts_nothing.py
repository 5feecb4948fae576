"""a claim sorts nothing"""

from alembic import op
import sqlalchemy as sa


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    ready, keyed = sa.text("state = 'ready'"), sa.text('key IS NOT NULL')
    op.drop_index('ix_ledger_claim', 'ledger')
    op.create_index('ix_ledger_claim', 'ledger', ['lane', 'state', 'due', 'id'], postgresql_where=ready)
    op.drop_index('ix_ledger_order', 'ledger')
    op.create_index('ix_ledger_order', 'ledger', ['lane', 'key', 'id'], sqlite_where=keyed, postgresql_where=keyed)
