"""Listens to the API's events many times over; tells how many came when its input ends."""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlsplit


async def _listen(
    host: str, port: int, head: bytes, opened: asyncio.Barrier, came: list[int]
) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(head)
    await reader.readuntil(b"retry:")
    await opened.wait()
    while part := await reader.read(65536):
        came[0] += part.count(b"\nevent: ")


async def _main(url: str, key: str, count: int) -> None:
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    came, opened = [0], asyncio.Barrier(count + 1)
    head = (
        f"GET {where.path}/events HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Authorization: Bearer {key}\r\n\r\n"
    ).encode()
    tasks = [
        asyncio.create_task(_listen(where.hostname, where.port, head, opened, came))
        for _ in range(count)
    ]
    await opened.wait()
    print("listening", flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    print(came[0], flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
