export function greeting(version) {
  return `The shop is open: ${version}`;
}
