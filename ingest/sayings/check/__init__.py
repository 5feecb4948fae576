"""The words `xinqiao check` puts around what was found, a catalogue a language."""

from pathlib import Path

FOLDER = Path(__file__).parent
