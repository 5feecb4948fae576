"""The bottom: engine, tables, transactions, ledger, blobs, sealing. It knows nobody above it."""
