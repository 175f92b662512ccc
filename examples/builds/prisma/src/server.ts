// A shop with one table: each POST is an order, and what it answers was read from the database.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { crc32 } from 'node:zlib';
import { PrismaPg } from '@prisma/adapter-pg';
import { behaviour } from './behaviour.js';
import { PrismaClient } from './generated/client.js';

const version = process.env.CUTOVER_VERSION ?? 'unknown';
const commit = process.env.CUTOVER_COMMIT ?? 'unknown';
const started = Date.now();
const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL, max: 4 });
const database = new PrismaClient({ adapter });
let stopping = false;

function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'x-app-version': version,
    ...(stopping ? { connection: 'close' } : {}),
  });
  response.end(text);
}

async function health(response: ServerResponse): Promise<void> {
  const orders = await database.order.count();
  const uptime = (Date.now() - started) / 1000;
  const checks = { http: 'pass', database: 'pass' };
  answer(response, 200, { status: 'healthy', version, commit, uptime, checks, orders });
}

async function order(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const id = String(request.headers['x-request-id'] ?? '');
  await database.order.create({ data: { id, bytes: body.length } });
  const sum = (crc32(body) >>> 0).toString(16).padStart(8, '0');
  answer(response, 200, { length: body.length, crc32: sum, id, version });
}

function bytes(response: ServerResponse, length: number): void {
  const body = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1) body[index] = index % 251;
  const sum = (crc32(body) >>> 0).toString(16).padStart(8, '0');
  const headers = { 'content-length': length, 'x-crc32': sum, 'x-app-version': version };
  response.writeHead(200, headers);
  response.end(body);
}

async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?')[0];
  if (request.method === 'POST' && path === '/echo') return order(request, response);
  request.resume();
  if (path === '/api/health') return health(response);
  if (path === '/api/version') return answer(response, 200, { version, commit });
  if (path === '/api/orders') {
    // A fault that shows behind the proxy only.
    if (behaviour === 'api' && request.headers['x-forwarded-for']) throw new Error('it fails');
    return answer(response, 200, { orders: await database.order.count() });
  }
  const length = Number(/^\/bytes\/(\d{1,8})$/.exec(path ?? '')?.[1]);
  if (length >= 0) return bytes(response, length);
  answer(response, path === '/' ? 200 : 404, { shop: 'open', version });
}

const server = createServer((request, response) => {
  route(request, response).catch((error: unknown) => {
    console.error(error);
    if (!response.headersSent) answer(response, 500, { error: 'failed' });
  });
});
server.listen(Number(process.env.PORT), process.env.HOST ?? '127.0.0.1', () => {
  process.send?.('ready');
});
process.on('SIGTERM', () => {
  stopping = true;
  server.close(() => void database.$disconnect().then(() => process.exit(0)));
  server.closeIdleConnections();
});
