"""Staff whose role is finance: they see the books and change nothing."""

from alembic import op

revision = "0049"
down_revision = "0048"

CHECKED = "ck_users_role_known"
BEFORE = "'customer', 'support', 'approver', 'admin'"
AFTER = "'customer', 'support', 'finance', 'approver', 'admin'"


def allow(roles: str) -> None:
    with op.batch_alter_table("users") as table:
        table.drop_constraint(op.f(CHECKED), type_="check")
    with op.batch_alter_table("users") as table:
        table.create_check_constraint(op.f(CHECKED), f"role IN ({roles})")


def upgrade() -> None:
    allow(AFTER)


def downgrade() -> None:
    op.execute("UPDATE users SET role = 'support', active = false WHERE role = 'finance'")
    allow(BEFORE)
