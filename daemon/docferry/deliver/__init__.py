"""
One request of a webhook: sign it, send it where it may go, judge the answer.

    send     the request and what its answer means
    wire     the connection: to an address that was looked at, and never for too long
    figures  what Prometheus sees of all of them
"""
