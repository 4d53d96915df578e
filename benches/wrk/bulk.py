"""One GB through a socket, from and into a buffer that stays in the cache: the origin's end and the client's.

Run as a program, this is the origin: `bulk.py PORT`. A GET gets 1 GB (`/length` or `/chunked`), or as many
bytes as its path names (`/1024`); a POST gets 200 once its whole body has arrived, else its connection is cut.
"""
import re
import socket
import sys
import threading
import time

GB = 2**30
PIECE = b"x" * 2**20
CHUNKS = (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 16  # 1 MiB of payload
LAST_CHUNK = b"0\r\n\r\n"


def send_body(connection, chunked):
    for _ in range(GB // 2**20):
        connection.sendall(CHUNKS if chunked else PIECE)
    if chunked:
        connection.sendall(LAST_CHUNK)


def receive_head(connection):
    """The head in lower case and what came behind it; empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b"", b""
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.lower(), rest


def receive_body(connection, head, rest):
    """Reads one body to its end; whether it was 1 GB or more and its framing ended."""
    buffer, came, tail = bytearray(2**20), len(rest), rest[-5:]
    length = re.search(rb"\ncontent-length: *(\d+)", head)
    while came < int(length[1]) if length else tail != LAST_CHUNK:
        size = connection.recv_into(buffer)
        if not size:
            return False
        came += size
        tail = (tail + bytes(buffer[max(0, size - 5):size]))[-5:]
    return came >= GB


def transfer(port, method, chunked):
    """One GB to or from the origin, through whatever listens there; seconds, or None when it failed."""
    begun = time.monotonic()
    framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % GB
    target = b"/chunked" if chunked else b"/length"
    try:
        with socket.create_connection(("127.0.0.1", port), 60) as connection:
            connection.sendall(method.encode() + b" " + target + b" HTTP/1.1\r\nHost: a\r\nOrigin: http://app.example\r\n"
                               + (framing if method == "POST" else b"") + b"\r\n")
            if method == "POST":
                send_body(connection, chunked)
            head, rest = receive_head(connection)
            complete = b" 200" in head[:14] and (method == "POST" or receive_body(connection, head, rest))
    except OSError:
        return None
    return time.monotonic() - begun if complete else None


def answer(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while (received := receive_head(connection))[0]:
            head, rest = received
            size = re.match(rb"get /(\d+)", head)
            chunked = b" /chunked" in head
            if size:
                body = b"x" * int(size[1])
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            elif head.startswith(b"get"):
                framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % GB
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
                send_body(connection, chunked)
            elif receive_body(connection, head, rest):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            else:
                return


def serve(port):
    server = socket.create_server(("127.0.0.1", port), backlog=1024)
    while True:
        threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
