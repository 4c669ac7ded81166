"""`python -m docferry` is the `docferry` command."""

from docferry.cli import main

main()
