"""`python -m ingest` is the xinqiao command."""

import sys

from ingest.cli import main

sys.exit(main())
