"""The conductor: command line, configuration, composition root, poller, pipeline, cases, console."""
