"""Stand-ins to run and test against: a petition platform, a hotline, a mailbox, scans, an OA inbox, with faults on demand."""
