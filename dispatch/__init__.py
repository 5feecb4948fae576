"""Case to OA: the outbox, its deliveries and what becomes of them."""
