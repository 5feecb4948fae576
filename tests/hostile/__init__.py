"""Hostile and broken input, item by item, through a real daemon: what it says of each, and that it goes on."""
