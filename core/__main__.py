"""`python -m core` is `imagine-sound`."""

import sys

from core.cli.main import main

sys.exit(main())
