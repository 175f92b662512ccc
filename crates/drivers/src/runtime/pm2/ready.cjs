// Loaded before the program: hears that it tells PM2 `ready`, and notes it in the open file that
// CUTOVER_READY_FD names.  PM2 itself cannot be asked: it says `online` also when time is up.
'use strict';
const fs = require('fs');
const file = Number(process.env.CUTOVER_READY_FD);
delete process.env.CUTOVER_READY_FD;
if (Number.isInteger(file) && file > 2) {
  const send = process.send;
  process.send = function (message, ...rest) {
    if (message === 'ready') {
      try {
        fs.writeSync(file, 'ready\n');
      } catch (_) {
        // It was said before, and the file is closed: once is enough.
      }
    }
    return send ? send.call(process, message, ...rest) : false;
  };
}
