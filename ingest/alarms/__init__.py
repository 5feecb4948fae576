"""Alarms: what a person must know of is told to people, once, again while it lasts, and when it is over."""
