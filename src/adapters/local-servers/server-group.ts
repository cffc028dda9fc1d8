import type { LocalServer, StartOptions } from './local-server.ts';

/** Servers that are one service together: the nodes of a cluster, or a single one. */
export class ServerGroup {
  readonly nodes: readonly LocalServer[];
  readonly #join: () => Promise<void>;
  #isDetached = false;

  /** @param join makes one service of nodes that serve, or waits until they are one again */
  constructor(nodes: readonly LocalServer[], join: () => Promise<void> = async () => {}) {
    this.nodes = nodes;
    this.#join = join;
  }

  /** Whether all nodes run. */
  async isRunning(): Promise<boolean> {
    return (await Promise.all(this.nodes.map((node) => node.isRunning()))).every(Boolean);
  }

  /**
   * Starts the nodes that do not run, all at once, and waits until all serve.
   * @throws PortTakenError
   * @throws ServerNotStartedError
   */
  async start(options: StartOptions): Promise<void> {
    this.#isDetached = options.isDetached;
    await this.#each(async (node) => {
      if (!(await node.isRunning())) await node.spawn(options);
    });
    await this.#each((node) => node.untilReady());
    await this.#join();
  }

  stop(): Promise<void> {
    return this.#each((node) => node.stop());
  }

  kill(): Promise<void> {
    return this.#each((node) => node.kill());
  }

  pause(): Promise<void> {
    return this.#each((node) => node.pause());
  }

  resume(): Promise<void> {
    return this.#each((node) => node.resume());
  }

  /** With the data and the ports that they had. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start({ isDetached: this.#isDetached });
  }

  async #each(act: (node: LocalServer) => Promise<void>): Promise<void> {
    await Promise.all(this.nodes.map(act));
  }
}
