"""Stand-ins to run and test against: petition platform, hotline, mailbox, scans, OA inbox, with faults on demand."""
