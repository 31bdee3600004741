"""`python -m undim` is the command `undim`."""

from undim.cli import main

main()
