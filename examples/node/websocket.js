'use strict';
// WebSocket echo (RFC 6455) on an upgraded socket.

const crypto = require('node:crypto');

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const PAYLOAD_MAX = 16 * 1024 * 1024;
const [CONTINUATION, CLOSE, PING] = [0, 8, 9];

function frame(opcode, payload) {
  const length = payload.length;
  let head;
  if (length < 126) {
    head = Buffer.from([0x80 | opcode, length]);
  } else if (length < 65536) {
    head = Buffer.from([0x80 | opcode, 126, 0, 0]);
    head.writeUInt16BE(length, 2);
  } else {
    head = Buffer.alloc(10);
    head.set([0x80 | opcode, 127]);
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

function closing(code) {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return frame(CLOSE, payload);
}

/** The first frame of `buffer` and its size; null: more is needed; a number: close with it. */
function parse(buffer) {
  if (buffer.length < 2) return null;
  const masked = (buffer[1] & 0x80) !== 0;
  if ((buffer[0] & 0x70) !== 0 || !masked) return 1002;
  let length = buffer[1] & 0x7f;
  let at = 2;
  if (length === 126) {
    if (buffer.length < 4) return null;
    length = buffer.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (buffer.length < 10) return null;
    length = Number(buffer.readBigUInt64BE(2));
    at = 10;
  }
  if (length > PAYLOAD_MAX) return 1009;
  if (buffer.length < at + 4 + length) return null;
  const mask = buffer.subarray(at, at + 4);
  const payload = Buffer.from(buffer.subarray(at + 4, at + 4 + length));
  for (let index = 0; index < length; index += 1) payload[index] ^= mask[index & 3];
  const last = (buffer[0] & 0x80) !== 0;
  return { last, opcode: buffer[0] & 0x0f, payload, size: at + 4 + length };
}

/** Completes the handshake and echoes until one side closes; `streams` gets a way to end it. */
function accept(request, socket, head, version, streams) {
  const key = request.headers['sec-websocket-key'];
  const upgrade = (request.headers.upgrade || '').toLowerCase();
  if (!key || request.url !== '/ws' || upgrade !== 'websocket') {
    const headers = `x-app-version: ${version}\r\ncontent-length: 0\r\nconnection: close`;
    socket.end(`HTTP/1.1 400 Bad Request\r\n${headers}\r\n\r\n`);
    return;
  }
  const answer = crypto.createHash('sha1').update(key + GUID).digest('base64');
  socket.setNoDelay(true);
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n' +
      `sec-websocket-accept: ${answer}\r\nx-app-version: ${version}\r\n\r\n`,
  );
  let buffer = head;
  let parts = { opcode: 0, payloads: [] };
  const stream = { end: () => socket.end(closing(1001)) };
  streams.add(stream);

  function take({ last, opcode, payload }) {
    if (opcode === CLOSE) return void socket.end(frame(CLOSE, payload.subarray(0, 2)));
    if (opcode === PING) return void socket.write(frame(10, payload));
    if (opcode > PING) return;
    if (opcode !== CONTINUATION) parts = { opcode, payloads: [] };
    parts.payloads.push(payload);
    if (last) socket.write(frame(parts.opcode, Buffer.concat(parts.payloads)));
  }

  function feed(chunk) {
    buffer = Buffer.concat([buffer, chunk]);
    for (let found = parse(buffer); found !== null; found = parse(buffer)) {
      if (typeof found === 'number') return void socket.end(closing(found));
      buffer = buffer.subarray(found.size);
      take(found);
      if (socket.writableEnded) return;
    }
  }

  socket.on('data', feed);
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
  socket.on('close', () => streams.delete(stream));
  feed(Buffer.alloc(0));
}

module.exports = { accept };
