"""The console: a few pages over the store for operators, clerks, discipline officers, leaders and auditors."""

from ingest.console.app import create_console
from ingest.console.settings import ConsoleSettings, FileAccess

__all__ = ["ConsoleSettings", "FileAccess", "create_console"]
