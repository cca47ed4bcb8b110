"""Delivery: turns outbox events into deliveries owed to each enterprise and pays them."""
