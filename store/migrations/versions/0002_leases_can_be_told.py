"""leases can be told from postponements"""

from alembic import op
import sqlalchemy as sa


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('ledger', sa.Column('leased', sa.Boolean(), server_default=sa.false(), nullable=False))
