"""The doors: I/O in, Raw out. Channels do not know each other, nor what follows."""
