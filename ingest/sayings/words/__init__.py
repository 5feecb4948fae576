"""The sentences the program says, a catalogue a language."""

from pathlib import Path

FOLDER = Path(__file__).parent
