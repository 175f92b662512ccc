// What a bundler does with such variables: their values become part of what is built.
import { writeFileSync } from 'node:fs';

const address = JSON.stringify(process.env.API_BASE_URL ?? 'nowhere');
writeFileSync('src/address.ts', `export const address: string = ${address};\n`);
