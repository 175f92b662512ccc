'use strict';
// The ways in which this app can be broken. Chosen at start by name: in the environment variable
// BREAK or a file BREAK in the release, as a comma list. ../README.md says what each one does.

const child_process = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const { Worker } = require('node:worker_threads');

const NAMES = new Set([
  'exit0', 'exit1', 'exit_after', 'crash_after_switch', 'hang_port', 'health_hang',
  'health_slow_body', 'health_redirect_loop', 'health_10mb', 'health_flap', 'slow_start', 'all_500',
  'errors', 'ignore_sigterm', 'double_fork', 'zombies', 'log_flood', 'long_line', 'ansi',
  'wrong_version', 'no_keepalive', 'leak_memory', 'listen_wrong_port',
]);
const GRANDCHILD_MS = 600_000;
const MIB = 1024 * 1024;
const LEAK_BYTES_MAX = 2048 * MIB;
const LONG_LINE_BYTES = 64 * MIB;
const FLOOD_MIB = 2048;
const ZOMBIES_MAX = 50;
const leaked = [];

/** A map from name to number (0 if none was given). An unknown name ends the app: a test that
 * breaks nothing would pass for the wrong reason. */
function read(texts) {
  const broken = new Map();
  for (const item of texts.join(',').split(/[,\s]+/).filter(Boolean)) {
    const [name, value] = item.split('=');
    if (!NAMES.has(name) || (value !== undefined && !/^\d+$/.test(value))) {
      console.error(`unknown breakage: ${item}`);
      process.exit(64);
    }
    broken.set(name, Number(value || 0));
  }
  return broken;
}

function leave(code, line) {
  fs.writeSync(2, `${line}\n`);
  process.exit(code);
}

/** Breaks what is to be broken from the start, then listens, or not. */
function start(broken, listen) {
  if (broken.has('exit0')) leave(0, 'nothing to do: leaving with 0');
  if (broken.has('exit1')) leave(1, 'fatal: cannot reach the database at db.invalid:5432');
  if (broken.has('exit_after')) {
    setTimeout(() => leave(1, 'fatal: gave up after a while'), broken.get('exit_after'));
  }
  if (broken.has('double_fork')) doubleFork(GRANDCHILD_MS);
  if (broken.has('zombies')) zombies(ZOMBIES_MAX);
  if (broken.has('leak_memory')) setInterval(leak, 10);
  if (broken.has('ansi')) ansi();
  if (broken.has('log_flood')) writeAside('flood', (broken.get('log_flood') || FLOOD_MIB) * MIB);
  if (broken.has('long_line')) writeAside('line', broken.get('long_line') || LONG_LINE_BYTES);
  if (broken.has('hang_port')) return hang();
  setTimeout(listen, broken.get('slow_start') || 0);
}

/** Accepts connections, reads nothing, answers nothing. */
function hang() {
  const server = net.createServer({ pauseOnConnect: true }, (socket) => held.push(socket));
  const held = [];
  server.listen(Number(process.env.PORT || 3000), process.env.HOST || '127.0.0.1');
}

/** A process in a session of its own whose parent is gone. */
function doubleFork(lifetime_ms) {
  const grandchild = `setTimeout(() => {}, ${lifetime_ms}) /* example-app-grandchild */`;
  const child =
    "require('node:child_process').spawn(process.execPath, " +
    `['-e', ${JSON.stringify(grandchild)}], ` +
    "{ detached: true, stdio: 'ignore' }).unref(); process.exit(0)";
  child_process.spawn(process.execPath, ['-e', child], { detached: true, stdio: 'ignore' }).unref();
}

/** Node waits for its own children; orphans that end are left for whoever adopts them. */
function zombies(left) {
  if (left === 0) return;
  doubleFork(100);
  setTimeout(() => zombies(left - 1), 200);
}

function leak() {
  // Filled, so that the pages are really there.
  if (leaked.length * MIB < LEAK_BYTES_MAX) leaked.push(Buffer.alloc(MIB, 1));
}

function ansi() {
  fs.writeSync(1, '\x1b[2J\x1b[1;1H\x1b[31mred\x1b[0m \x1b]0;new title\x07 ');
  fs.writeSync(1, '\x1b]8;;http://x\x1b\\link\n');
  fs.writeSync(1, Buffer.from([0x9b, 0x33, 0x31, 0x6d, 0x00, 0xff, 0xfe, 0x08, 0x0d, 0x0a]));
}

/** Writes in a thread of its own, so that the app itself is not held up by its reader. */
function writeAside(kind, size) {
  const source = `
    const fs = require('node:fs');
    const wait = new Int32Array(new SharedArrayBuffer(4));
    const write = (block) => {
      for (let at = 0; at < block.length; ) {
        try {
          at += fs.writeSync(1, block, at);
        } catch (error) {
          // A full pipe that does not block: a little later there is room.
          if (error.code !== 'EAGAIN') throw error;
          Atomics.wait(wait, 0, 0, 1);
        }
      }
    };
    const line = ${kind === 'line'};
    const lines = 'a line of a flood that nobody will ever read\\n'.repeat(1000);
    const block = Buffer.from(line ? 'x'.repeat(65536) : lines);
    for (let left = ${size}; left > 0; left -= block.length) write(block.subarray(0, left));
    if (line) write(Buffer.from('\\n'));`;
  new Worker(source, { eval: true });
}

/** Answers a health request in the chosen way; false: nothing is chosen. */
function health(broken, count, response) {
  if (broken.has('health_hang')) return true;
  if (broken.has('health_redirect_loop')) {
    response.writeHead(302, { location: '/api/health', 'content-length': 0 });
    response.end();
    return true;
  }
  if (broken.has('health_slow_body')) {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 3600 });
    const timer = setInterval(() => response.write(' '), 1000);
    response.on('close', () => clearInterval(timer));
    response.flushHeaders();
    return true;
  }
  if (broken.has('health_10mb')) {
    const body = JSON.stringify({ status: 'healthy', padding: 'x'.repeat(10 * 1024 * 1024) });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    response.end(body);
    return true;
  }
  if (broken.has('health_flap') && count % 3 !== 0) {
    const body = '{"status":"unhealthy"}';
    response.writeHead(503, { 'content-type': 'application/json', 'content-length': body.length });
    response.end(body);
    return true;
  }
  return false;
}

/** Called for each request that is not about health. */
function request(broken, count) {
  if (count === 1 && broken.has('crash_after_switch')) {
    const line = 'fatal: died of the first real requests';
    setTimeout(() => leave(1, line), broken.get('crash_after_switch'));
  }
}

/** Whether the request is to fail: all, or an even share of them. */
function fails(broken, count) {
  if (broken.has('all_500')) return true;
  return broken.has('errors') && (count * broken.get('errors')) % 100 < broken.get('errors');
}

module.exports = { read, start, health, request, fails };
