import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greeting } from './greeting.js';

test('a greeting names the version', () => {
  assert.match(greeting('1.0.0'), /^version 1\.0\.0 asks ./);
});
