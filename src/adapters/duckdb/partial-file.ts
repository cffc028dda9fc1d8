import { access, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TableFileError } from './table-file-error.ts';

/** A file that gets its name only when it is whole, so that whoever finds it can trust it. */
export type PartialFile = {
  /** Where to write until then; beside the final path, because renaming does not cross file systems. */
  readonly partialPath: string;
  commit(): Promise<void>;
  discard(): Promise<void>;
};

/** @throws TableFileError if `path` is taken and `overwrite` false; makes the directory where it is missing */
export async function createPartialFile(
  path: string,
  { overwrite }: { overwrite: boolean },
): Promise<PartialFile> {
  if (!overwrite && (await exists(path))) {
    throw new TableFileError(path, 'is there already; --overwrite replaces it');
  }
  await mkdir(dirname(path), { recursive: true });
  const partialPath = `${path}.${process.pid}.partial`;
  return {
    partialPath,
    async commit() {
      await sync(partialPath);
      await rename(partialPath, path);
    },
    discard: () => rm(partialPath, { force: true }),
  };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Content before name: after a power cut the renamed file must not be an empty one. */
async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  await file.sync();
}
