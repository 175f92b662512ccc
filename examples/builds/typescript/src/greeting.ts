import { address } from './address.js';

export const greeting = (version: string): string => `version ${version} asks ${address}`;
