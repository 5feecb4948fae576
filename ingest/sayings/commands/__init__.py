"""The words of commands for what they print: tables, counts, what was done; a catalogue a language."""

from pathlib import Path

FOLDER = Path(__file__).parent
