"""WebSocket echo (RFC 6455) on a connection whose handshake is done."""

import base64
import hashlib
import threading

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PAYLOAD_MAX = 16 * 1024 * 1024
CONTINUATION, CLOSE, PING, PONG = 0, 8, 9, 10


def accept(key):
    """What answers `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


class Broken(Exception):
    """The peer broke the protocol: close with this code."""


def echo(connection, reader, stopping):
    """Echoes until one side closes, or the app stops."""
    connection.settimeout(None)
    lock = threading.Lock()
    ended = threading.Event()

    def send(opcode, payload):
        with lock:
            if not ended.is_set():
                if opcode == CLOSE:
                    ended.set()
                connection.sendall(frame(opcode, payload))

    def say_goodbye():
        while not ended.wait(0.05):
            if stopping.is_set():
                send(CLOSE, (1001).to_bytes(2, "big"))

    goodbye = threading.Thread(target=say_goodbye, daemon=True)
    goodbye.start()
    try:
        take(reader, send)
    except Broken as broken:
        send(CLOSE, broken.args[0].to_bytes(2, "big"))
    except (EOFError, OSError):
        pass
    finally:
        ended.set()


def take(reader, send):
    """Reads frames and answers them until a closing one."""
    kind, parts = CONTINUATION, []
    while True:
        last, opcode, payload = read_frame(reader)
        if opcode == CLOSE:
            send(CLOSE, payload[:2])
            return
        if opcode == PING:
            send(PONG, payload)
        elif opcode < CLOSE:
            if opcode != CONTINUATION:
                kind, parts = opcode, []
            parts.append(payload)
            if last:
                send(kind, b"".join(parts))


def read_frame(reader):
    first, second = exactly(reader, 2)
    if first & 0x70 or not second & 0x80:
        raise Broken(1002)
    length = second & 0x7F
    if length == 126:
        length = int.from_bytes(exactly(reader, 2), "big")
    elif length == 127:
        length = int.from_bytes(exactly(reader, 8), "big")
    if length > PAYLOAD_MAX:
        raise Broken(1009)
    mask = exactly(reader, 4)
    payload = exactly(reader, length)
    # As one number: a loop over the bytes would be slow.
    key = (mask * (length // 4 + 1))[:length]
    plain = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return bool(first & 0x80), first & 0x0F, plain.to_bytes(length, "big")


def exactly(reader, length):
    data = reader.read(length)
    if len(data) < length:
        raise EOFError
    return data


def frame(opcode, payload):
    length = len(payload)
    if length < 126:
        head = bytes([0x80 | opcode, length])
    elif length < 65536:
        head = bytes([0x80 | opcode, 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 127]) + length.to_bytes(8, "big")
    return head + payload
