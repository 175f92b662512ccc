import { createServer } from 'node:http';
import { greeting } from './greeting.js';

const version = process.env.CUTOVER_VERSION ?? 'unknown';
const server = createServer((request, response) => {
  if (request.url === '/api/health') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ status: 'healthy', version }));
    return;
  }
  response.end(`${greeting(version)}\n`);
});
server.listen(Number(process.env.PORT), process.env.HOST ?? '127.0.0.1');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
