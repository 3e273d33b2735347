"""The schema's history, run by Alembic. Each revision is frozen: it never imports the tables."""
