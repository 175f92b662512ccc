import { greeting } from './greeting.js';

// Made anew for each visitor: the variables are those of the instance, not of the build.
export const dynamic = 'force-dynamic';

export default function Page() {
  return <h1>{greeting(process.env.CUTOVER_VERSION)}</h1>;
}
