'use strict';
// An example app for `cutover`: the standard library alone, and every way to misbehave that its
// tests need (breakage.js). Its twins in ../python and ../rust answer the same.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const zlib = require('node:zlib');
const breakage = require('./breakage.js');
const websocket = require('./websocket.js');

const STOP_WITHIN_MS = 5000;
const EVENT_EVERY_MS = 100;
const BYTES_MAX = 64 * 1024 * 1024;
const STARTED_MS = Date.now();

/** The first line of a file beside the program or in the working directory, if there is one. */
function beside(name) {
  for (const directory of [__dirname, process.cwd()]) {
    try {
      return fs.readFileSync(path.join(directory, name), 'utf8').trim();
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  return null;
}

const broken = breakage.read([process.env.BREAK, beside('BREAK')]);
// The file wins: it shows which content runs, whatever the environment says.
const version = broken.has('wrong_version')
  ? '0.0.0-wrong'
  : beside('VERSION') || process.env.CUTOVER_VERSION || '0.0.0';
const posts = new Map();
let postCount = 0;
let healthCount = 0;
let requestCount = 0;
let stopping = false;
const sockets = new Set();
const streams = new Set();

function answer(response, status, type, body, headers = {}) {
  if (stopping || broken.has('no_keepalive')) headers.connection = 'close';
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

function json(response, status, document, headers) {
  answer(response, status, 'application/json', JSON.stringify(document), headers);
}

function healthDocument() {
  const memory = process.memoryUsage().rss;
  return {
    status: 'healthy',
    version,
    uptime: (Date.now() - STARTED_MS) / 1000,
    timestamp: new Date().toISOString(),
    deployment: {
      slot: process.env.CUTOVER_SLOT || null,
      release: process.env.CUTOVER_RELEASE || null,
    },
    checks: { http: 'pass', memory: 'pass' },
    system: { memory: { rss: memory } },
  };
}

function health(request, response) {
  healthCount += 1;
  if (breakage.health(broken, healthCount, response)) return;
  const kind = request.url.slice('/api/health'.length);
  if (kind === '/ready') {
    return json(response, 200, { status: 'ready', checks: { warmup: 'pass' } });
  }
  if (kind === '/live') return json(response, 200, { status: 'alive', pid: process.pid });
  json(response, 200, healthDocument());
}

function versionDocument() {
  return {
    version,
    release: process.env.CUTOVER_RELEASE || null,
    slot: process.env.CUTOVER_SLOT || null,
    pid: process.pid,
  };
}

function echo(request, response) {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  // A body that was cut is no POST: 'end' comes only for a whole one.
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    const id = request.headers['x-request-id'] || '';
    postCount += 1;
    posts.set(id, (posts.get(id) || 0) + 1);
    if (process.env.POST_LOG) fs.appendFileSync(process.env.POST_LOG, `${id}\n`);
    const crc32 = (zlib.crc32(body) >>> 0).toString(16).padStart(8, '0');
    json(response, 200, { length: body.length, crc32, id, version });
  });
}

function bytes(response, length) {
  const body = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1) body[index] = index % 251;
  const crc32 = (zlib.crc32(body) >>> 0).toString(16).padStart(8, '0');
  answer(response, 200, 'application/octet-stream', body, { 'x-crc32': crc32 });
}

function events(response) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  let id = 0;
  const tell = () => response.write(`id: ${(id += 1)}\ndata: ${JSON.stringify({ version })}\n\n`);
  const timer = setInterval(tell, EVENT_EVERY_MS);
  const stream = { end: () => { clearInterval(timer); response.end(); } };
  tell();
  streams.add(stream);
  response.on('close', () => { clearInterval(timer); streams.delete(stream); });
}

function postsDocument() {
  return { count: postCount, duplicates: postCount - posts.size };
}

function route(request, response) {
  const [target] = request.url.split('?');
  const number = Number((/^\/(?:bytes|slow)\/(\d{1,9})$/.exec(target) || [])[1]);
  if (request.method === 'POST' && target === '/echo') return echo(request, response);
  request.resume();
  if (request.method !== 'GET') return json(response, 405, { error: 'method not allowed' });
  if (target === '/') {
    return answer(response, 200, 'text/plain', `Hello from node, version ${version}\n`);
  }
  if (target === '/api/version') return json(response, 200, versionDocument());
  if (target === '/api/deployment/status') {
    const deployed = process.env.CUTOVER_DEPLOYED_AT || null;
    return json(response, 200, { ...versionDocument(), status: 'active', deployed_at: deployed });
  }
  if (target === '/posts') return json(response, 200, postsDocument());
  if (target === '/events') return events(response);
  if (target.startsWith('/bytes/') && number <= BYTES_MAX) return bytes(response, number);
  if (target.startsWith('/slow/') && number >= 0) {
    return void setTimeout(() => json(response, 200, { slept_ms: number, version }), number);
  }
  json(response, 404, { error: 'not found' });
}

function serve(request, response) {
  response.setHeader('x-app-version', version);
  if (request.url.startsWith('/api/health')) return health(request, response);
  requestCount += 1;
  breakage.request(broken, requestCount);
  if (breakage.fails(broken, requestCount)) {
    request.resume();
    return json(response, 500, { error: 'broken on purpose', version });
  }
  route(request, response);
}

function stop(server) {
  if (stopping) return;
  stopping = true;
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  for (const stream of streams) stream.end();
  setTimeout(() => {
    for (const socket of sockets) socket.destroy();
    process.exit(0);
  }, STOP_WITHIN_MS - 500).unref();
}

function listen() {
  const server = http.createServer({ keepAliveTimeout: 75_000, requestTimeout: 0 }, serve);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (request, socket, head) => {
    websocket.accept(request, socket, head, version, streams);
  });
  server.on('error', (error) => {
    console.error(`cannot listen: ${error.message}`);
    process.exit(1);
  });
  const place = process.env.PORT || '3000';
  const lost = broken.has('listen_wrong_port');
  const port = lost ? 0 : Number(place);
  const host = process.env.HOST || '127.0.0.1';
  // With `listen: socket` it is the path of a socket.
  const where = place.startsWith('/') && !lost ? { path: place } : { port, host };
  server.listen({ ...where, backlog: 1024 }, () => {
    const at = server.address();
    console.log(`listening on ${typeof at === 'string' ? at : `${at.address}:${at.port}`}`);
  });
  process.on('SIGTERM', () => {
    if (!broken.has('ignore_sigterm')) stop(server);
  });
}

breakage.start(broken, listen);
