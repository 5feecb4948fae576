"""a page of the list reads no other cases"""

from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_cases_channel', 'cases', ['channel', 'received_at', 'case_id'])
    op.create_index('ix_cases_needs_review', 'cases', ['needs_review', 'received_at', 'case_id'])
    op.create_index('ix_cases_request_type', 'cases', ['request_type', 'received_at', 'case_id'])
