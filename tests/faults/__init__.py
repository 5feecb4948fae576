"""The fault harness: real daemons, stores and servers, struck again and again while matters keep coming."""
