"""`python -m ppres` is `ppres`."""

from ppres.cli import main

raise SystemExit(main())
