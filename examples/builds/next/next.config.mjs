// `standalone`: a server with only what it needs, which `node .next/standalone/server.js` runs.
const configuration = {
  output: 'standalone',
  outputFileTracingRoot: import.meta.dirname,
  images: { unoptimized: true },
};

export default configuration;
