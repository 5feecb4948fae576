"""Passwords as they are kept."""

from ingest import accounts


def test_nobodys_hash_refuses_every_password_at_todays_price() -> None:
    hashed = accounts.nobodys_hash()

    assert not accounts.verify_password(hashed, "whatever it may be")
    assert not accounts.needs_rehash(hashed)
    assert hashed != accounts.nobodys_hash()
