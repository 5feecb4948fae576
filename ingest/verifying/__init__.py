"""Proves that an installation holds what it should: its history, register, sealed rows and originals."""
