import { statfsSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release } from 'node:os';

/** Under what conditions figures were measured; a figure without them says nothing. */
export type Conditions = {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  readonly loadAverage1Min: number;
  /** Of the directory that data are written to: a sync costs nothing on tmpfs. */
  readonly fileSystem: string;
};

export function readConditions(dataDirectory: string): Conditions {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    kernel: release(),
    node: process.version,
    loadAverage1Min: loadavg()[0] ?? 0,
    fileSystem: fileSystemName(statfsSync(dataDirectory).type),
  };
}

export function formatConditions(conditions: Conditions): string {
  const { cpu, cores, kernel, node, loadAverage1Min, fileSystem } = conditions;
  return (
    `${cpu}, ${cores} cores shared by servers and generator, Linux ${kernel}, Node ${node}, ` +
    `data on ${fileSystem}, load average at the start ${loadAverage1Min.toFixed(2)}\n`
  );
}

/** Magic numbers of statfs(2). */
function fileSystemName(type: number): string {
  switch (type) {
    case 0xef53:
      return 'ext4';
    case 0x58465342:
      return 'xfs';
    case 0x9123683e:
      return 'btrfs';
    case 0x794c7630:
      return 'overlay';
    case 0x01021994:
      return 'tmpfs (a sync costs nothing there)';
    default:
      return `file system 0x${type.toString(16)}`;
  }
}
