"""The faults, one function a kind: strike while work is under way, make sure that it was hit, let it end.

Each answers with the blows that counted: those that met work in flight, proved by the process that died at a named
point, by bytes on a proxy, by rows in somebody's hands or by what the log says. One that met nothing does not count.
"""
