// What PM2 loads in each worker of a cluster.  It becomes the instance's program: with exactly the
// variables, directory and arguments that are written down for it, whatever PM2 was told before.
// It is also the gate at which starts that nobody wants end.
'use strict';
const fs = require('fs');
const path = require('path');
const Module = require('module');
const { pathToFileURL } = require('url');

const NOT_WANTED = 87;
const { CUTOVER_PLACE: place, CUTOVER_TOKEN: token } = process.env;
const scriptAt = Number(process.env.CUTOVER_SCRIPT_AT);
const number = /^[0-9]+$/.test(process.env.pm_id || '') ? process.env.pm_id : '0';
const appInstance = process.env.NODE_APP_INSTANCE;
const ready = path.join(place, `ready.${number}`);

function told() {
  try {
    return JSON.parse(fs.readFileSync(path.join(place, 'spec.json'), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') process.exit(NOT_WANTED);
    throw error;
  }
}

// The first start always, a later one only of what is kept.
function gate() {
  try {
    fs.closeSync(fs.openSync(path.join(place, `begun.${number}`), 'wx', 0o600));
    return;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (fs.existsSync(path.join(place, 'kept'))) {
    fs.rmSync(ready, { force: true });
    // Its time is that of the last start that was wanted.
    fs.writeFileSync(path.join(place, `begun.${number}`), String(process.pid));
    return;
  }
  const code = Number.parseInt(process.env.exit_code, 10);
  const ended = { code: Number.isInteger(code) ? code : null, at_ms: Date.now() };
  fs.writeFileSync(path.join(place, `ended.${number}.new`), JSON.stringify(ended));
  fs.renameSync(path.join(place, `ended.${number}.new`), path.join(place, 'ended.json'));
  process.exit(NOT_WANTED);
}

function isModule(script) {
  if (script.endsWith('.mjs')) return true;
  if (!script.endsWith('.js')) return false;
  for (let at = path.dirname(script); ; at = path.dirname(at)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(at, 'package.json'), 'utf8')).type === 'module';
    } catch (error) {
      if (error.code !== 'ENOENT' || at === path.dirname(at)) return false;
    }
  }
}

const spec = told();
// A start that was ordered for an earlier run of it may come late.
if (spec.token !== token) process.exit(NOT_WANTED);
gate();

for (const name of Object.keys(process.env)) delete process.env[name];
// By it workers of one instance tell themselves apart.
if (appInstance !== undefined) process.env.NODE_APP_INSTANCE = appInstance;
Object.assign(process.env, spec.environment, { CUTOVER_TOKEN: spec.token });
process.chdir(spec.directory);

const send = process.send;
process.send = function (message, ...rest) {
  if (message === 'ready') fs.writeFileSync(ready, 'ready\n');
  return send.call(process, message, ...rest);
};

const script = path.resolve(spec.directory, spec.command[scriptAt]);
process.argv = [process.argv[0], script, ...spec.command.slice(scriptAt + 1)];
if (isModule(script)) {
  import(pathToFileURL(script));
} else {
  Module._load(script, null, true);
}
