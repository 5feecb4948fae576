"""What strangers may send, drawn by chance: every reader of foreign bytes, tried with bytes that almost make sense."""
