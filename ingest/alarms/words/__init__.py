"""The words alarms are told in, a catalogue a language."""

from pathlib import Path

FOLDER = Path(__file__).parent
