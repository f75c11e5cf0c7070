#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A web server of asyncio for make bench: each request of a kept connection is parsed, looks a session up among 5,000 or makes it,
and is answered with JSON. usage: bench_web.py PORT"""
import asyncio
import collections
import json
import sys

SESSIONS = 5000


class Session:
    def __init__(self, number):
        self.number = number
        self.hits = 0
        self.pages = collections.deque(maxlen=8)
        self.basket = {"items": [], "total": 0.0}


class Service:
    def __init__(self):
        self.sessions = collections.OrderedDict()
        self.requests = 0

    def session(self, number):
        session = self.sessions.get(number)
        if not session:
            session = self.sessions[number] = Session(number)
            if len(self.sessions) > SESSIONS:
                self.sessions.popitem(last=False)
        return session

    def answer(self, path, headers):
        self.requests += 1
        session = self.session(self.requests * 7919 % (SESSIONS + SESSIONS // 10))
        session.hits += 1
        session.pages.append((path, len(headers)))
        session.basket["items"] = [{"id": i, "price": i * 1.25} for i in range(session.hits % 6)]
        session.basket["total"] = sum(item["price"] for item in session.basket["items"])
        return json.dumps({"session": session.number, "hits": session.hits, "pages": list(session.pages),
                           "basket": session.basket}).encode()

    async def serve(self, reader, writer):
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines if ": " in line)
            body = self.answer(first.split(" ")[1], headers)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        writer.close()


async def main():
    server = await asyncio.start_server(Service().serve, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


asyncio.run(main())
