"""The console: a few pages over the store for operators, clerks, discipline officers, leaders and auditors."""

from ingest.console.app import create_console
from ingest.console.settings import ConsoleSettings, FileAccess, Health, Readiness

__all__ = ["ConsoleSettings", "FileAccess", "Health", "Readiness", "create_console"]
