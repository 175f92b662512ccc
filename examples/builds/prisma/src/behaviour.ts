/** How it misbehaves, for tests that watch a bad release being taken back: `none`, `api`. */
export const behaviour: string = 'none';
