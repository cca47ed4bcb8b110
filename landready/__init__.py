"""The domain: facts, rules, verdicts and the outbox, on SQLAlchemy and PostGIS. Sends nothing, never commits."""
