"""Links by mail that sign in, in the browser alone that asked."""

import sqlalchemy as sa
from alembic import op

revision = "0097"
down_revision = "0096"

PURPOSES = ("invitation", "password_reset", "confirm_email")
PROOFS = ("password", "code")


def _allow(table: str, column: str, words: tuple[str, ...]) -> None:
    with op.batch_alter_table(table) as changed:
        changed.drop_constraint(op.f(f"ck_{table}_{column}_known"), type_="check")
        listed = ", ".join(f"'{word}'" for word in words)
        changed.create_check_constraint(op.f(f"ck_{table}_{column}_known"), f"{column} IN ({listed})")


def upgrade() -> None:
    _allow("account_tokens", "purpose", (*PURPOSES, "sign_in"))
    _allow("sign_in_attempts", "proof", (*PROOFS, "link"))
    op.add_column("account_tokens", sa.Column("browser_hash", sa.String(64)))


def downgrade() -> None:
    op.execute("DELETE FROM account_tokens WHERE purpose = 'sign_in'")
    op.execute("DELETE FROM sign_in_attempts WHERE proof = 'link'")
    with op.batch_alter_table("account_tokens") as changed:
        changed.drop_column("browser_hash")
    _allow("account_tokens", "purpose", PURPOSES)
    _allow("sign_in_attempts", "proof", PROOFS)
