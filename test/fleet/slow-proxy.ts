/** A network that is slow, or that loses answers, between a service and one server: each direction is delayed on its own. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { LOCALHOST } from '../../src/adapters/local-servers/free-ports.ts';

/** On their way in one direction of one connection; beyond this, the sender is held up as by a full socket. */
const ON_ITS_WAY_BYTES_MAX = 8 * 1024 * 1024;

export class SlowProxy implements AsyncDisposable {
  readonly host = LOCALHOST;
  readonly port: number;
  /** Added in each direction, from the next piece on. */
  delayMs = 0;
  /** Questions arrive, and what is answered to them does not. */
  isLosingAnswers = false;
  /** Where the server listens: known only once it has started, which may need our port. */
  targetPort = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => this.#pass(client));
  }

  static async listen(): Promise<SlowProxy> {
    const server = createServer().listen(0, LOCALHOST);
    await once(server, 'listening');
    return new SlowProxy(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(client: Socket): void {
    const server = connect(this.targetPort, LOCALHOST);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on('error', () => {}); // 'close' follows
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    this.#carry(client, server, () => false);
    this.#carry(server, client, () => this.isLosingAnswers);
  }

  /** In order, each piece as late as it was to be when it came. */
  #carry(from: Socket, to: Socket, isLost: () => boolean): void {
    let before: Promise<unknown> = Promise.resolve();
    let bytes = 0;
    from.on('data', (piece) => {
      const dueMs = performance.now() + this.delayMs;
      bytes += piece.length;
      if (bytes > ON_ITS_WAY_BYTES_MAX) from.pause();
      before = before.then(async () => {
        const waitMs = dueMs - performance.now();
        if (waitMs > 0) await delay(waitMs, undefined, { ref: false });
        bytes -= piece.length;
        if (bytes <= ON_ITS_WAY_BYTES_MAX) from.resume();
        if (!isLost() && to.writable) to.write(piece);
      });
    });
  }
}
