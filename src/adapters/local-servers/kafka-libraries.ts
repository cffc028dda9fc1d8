import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { withLock } from './installation-lock.ts';
import { MissingProgramError } from './local-server-errors.ts';
import { findPrograms, type OnProgress } from './programs.ts';
import { runProgram } from './run-program.ts';

const POM_FILE = join(import.meta.dirname, 'kafka-libraries.pom.xml');
/** The version in the pom. */
const KAFKA_VERSION = '4.1.1';
const JAVA_VERSION_MIN = 17;
const COPY_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

/** What runs a Kafka: a JVM and a folder of jars. */
export type KafkaProgram = { readonly java: string; readonly libraries: string };

/**
 * Kafka from Maven Central, downloaded once a user.
 * @throws MissingProgramError
 * @throws ProgramFailedError when Maven cannot download it
 */
export async function findKafka(onProgress: OnProgress): Promise<KafkaProgram> {
  const libraries = join(cacheFolder(), `kafka-${KAFKA_VERSION}`);
  const [java] = await findPrograms(['java'], onProgress);
  await assertJavaRuns(java);
  if (!existsSync(libraries)) await download(libraries, onProgress);
  return { java, libraries };
}

/** @throws MissingProgramError */
async function assertJavaRuns(java: string): Promise<void> {
  // Java 8 does not know the option, and so ends with an error.
  const said = await runProgram(java, ['--version']).catch((error: Error) => error.message);
  if (Number(/^\S+ (\d+)/.exec(said)?.[1]) >= JAVA_VERSION_MIN) return;
  const wanted = `Kafka ${KAFKA_VERSION} needs Java ${JAVA_VERSION_MIN} or newer`;
  throw new MissingProgramError(`${wanted}, and ${java} is none: ${said.split('\n')[0]}`);
}

/** Into a folder that gets its name when it is whole, so that a broken download is made again. */
async function download(libraries: string, onProgress: OnProgress): Promise<void> {
  const [maven] = await findPrograms(['mvn'], onProgress);
  await mkdir(cacheFolder(), { recursive: true });
  await withLock(`${libraries}.lock`, async () => {
    if (existsSync(libraries)) return;
    onProgress(`downloading Kafka ${KAFKA_VERSION} (43 MB, once)`);
    const partial = await mkdtemp(`${libraries}.part-`);
    try {
      const words = ['-DincludeScope=runtime', `-DoutputDirectory=${partial}`];
      await runProgram(maven, ['--batch-mode', '--quiet', '-f', POM_FILE, COPY_GOAL, ...words]);
      await rename(partial, libraries);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  });
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fraud-detection');
}
