"""
The faces that speak HTTP: the API for programs, the page for people.

They run in a process of their own, a child of the daemon: what a browser asks for costs
no loop its turn, and what may go wrong with strangers' requests stays away from the
documents' own process. A handler is one query, or one command, that the command line has too.
"""
