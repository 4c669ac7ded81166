"""What the daemon starts: serve until the pipe from it ends. See `app.faces`."""

from docferry.web.serve import main

main()
