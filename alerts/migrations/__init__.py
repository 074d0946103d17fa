"""Alembic finds its scripts here; `open_store` runs them."""
