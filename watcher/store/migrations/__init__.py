"""How the schema came to be: one file per revision in `versions`, run by Alembic from package data."""
