/** A process that takes the data directory in argv[2], says so or why not, and holds it until its input ends. */
import { once } from 'node:events';
import { openDataDirectory } from './data-directory.ts';

try {
  await using directory = await openDataDirectory(process.argv[2], { command: 'fraud serve' });
  await directory.announcePort(8000);
  console.log('taken');
  await once(process.stdin.resume(), 'end');
} catch (error) {
  console.log(error instanceof Error ? error.message : error);
}
