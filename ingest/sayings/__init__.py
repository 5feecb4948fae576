"""What the program says of its own accord: errors, findings, reasons, in either language."""
