"""Raw to Case: pure reading and understanding, without clock, network, disk or database."""
