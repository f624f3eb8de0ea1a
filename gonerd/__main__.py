"""`python -m gonerd`, as `accelerate launch -m gonerd` starts it in each of its processes."""

from __future__ import annotations

from gonerd.cli.main import main

if __name__ == "__main__":
    main()
