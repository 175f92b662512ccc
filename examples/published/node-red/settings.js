// Node-RED as its users set it up: where it listens and where it keeps flows comes from outside.
module.exports = {
  uiHost: process.env.HOST,
  uiPort: process.env.PORT,
  // Two instances that start at once would write the same files.
  userDir: `${process.env.FLOWS_DIRECTORY}/${process.env.CUTOVER_INSTANCE}`,
  flowFile: 'flows.json',
};
